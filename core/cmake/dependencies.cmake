# Everything that is not ours. Libraries come from Debian's packages; BoringSSL and ngtcp2 are built from the files
# deploy/setup fetched. The targets to link: absl::*, SQLite::SQLite3, BoringSSL::crypto, BoringSSL::ssl, Ngtcp2::ngtcp2, and with the control plane protobuf::libprotobuf,
# gRPC::grpc++, gRPC::grpc++_reflection, yaml-cpp, CLI11::CLI11, spdlog::spdlog, fmt::fmt, re2::re2, Utf8proc::utf8proc,
# Jsoncons::jsoncons.
include_guard(GLOBAL)

# One folder for downloads and for what is unpacked from them, shared by all build trees of a user.
if(DEFINED ENV{CULVERT_CACHE} AND NOT "$ENV{CULVERT_CACHE}" STREQUAL "")
  set(CULVERT_CACHE_DIR "$ENV{CULVERT_CACHE}")
elseif(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(CULVERT_CACHE_DIR "$ENV{XDG_CACHE_HOME}/culvert")
else()
  set(CULVERT_CACHE_DIR "$ENV{HOME}/.cache/culvert")
endif()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(SQLite3 REQUIRED)
include(boringssl)
include(ngtcp2)

if(CULVERT_CONTROL_PLANE)
  # In this order: gRPC's package makes the target re2::re2 and expects the Protobuf module's targets.
  find_package(Protobuf REQUIRED)
  find_package(gRPC CONFIG REQUIRED)
  find_package(OpenSSL REQUIRED)  # the one gRPC is built with
  find_package(yaml-cpp CONFIG REQUIRED)
  find_package(CLI11 CONFIG REQUIRED)
  find_package(fmt CONFIG REQUIRED)
  find_package(spdlog CONFIG REQUIRED)
  include(jsoncons)
  # Debian's package has no CMake file.
  find_path(UTF8PROC_INCLUDE utf8proc.h REQUIRED)
  find_library(UTF8PROC_LIBRARY utf8proc REQUIRED)
  add_library(Utf8proc::utf8proc UNKNOWN IMPORTED)
  set_target_properties(Utf8proc::utf8proc PROPERTIES
    IMPORTED_LOCATION "${UTF8PROC_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${UTF8PROC_INCLUDE}")
endif()

if(CULVERT_TESTS)
  find_package(GTest CONFIG REQUIRED)
  find_package(nlohmann_json CONFIG REQUIRED)
  find_package(benchmark CONFIG QUIET)  # only tests/bench wants it
endif()
