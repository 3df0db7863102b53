# BoringSSL whose random numbers are decided by a seed: for simulations and fuzzers, never for what is shipped.
#
# All of BoringSSL's generator is in one of its files. That one is compiled a second time, as BoringSSL's deterministic mode
# for tests; every other object, BoringSSL's, ngtcp2's and ours, is the one that the product has. The objects here stand on the
# link line of an executable itself, so the archive's member of the same names is not taken. If both ever were, the linker
# would refuse: they define the same names.
#
# An executable gets it by linking culvert::deterministic_random, directly or through a library. tests/sim/quic_random.h says
# how to set the seed.
include_guard(GLOBAL)

# culvert_add_deterministic_random(SOURCE ...): declares culvert::deterministic_random; the sources define CRYPTO_sysrand and its kin.
function(culvert_add_deterministic_random)
  add_library(culvert_deterministic_random_objects OBJECT
    "${boringssl_root}/src/crypto/fipsmodule/bcm.c" ${ARGN})
  set_target_properties(culvert_deterministic_random_objects PROPERTIES
    C_STANDARD 11 C_EXTENSIONS ON POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden
    C_CLANG_TIDY "" EXPORT_COMPILE_COMMANDS OFF)
  target_include_directories(culvert_deterministic_random_objects SYSTEM PRIVATE
    "${boringssl_headers}" "${boringssl_root}/src/include" "${boringssl_root}/src")
  target_include_directories(culvert_deterministic_random_objects PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(culvert_deterministic_random_objects PRIVATE
    BORINGSSL_IMPLEMENTATION _XOPEN_SOURCE=700 BORINGSSL_PREFIX=${boringssl_prefix})
  # In this mode the file leaves it to others, ${ARGN}, where entropy comes from.
  set_source_files_properties("${boringssl_root}/src/crypto/fipsmodule/bcm.c" PROPERTIES
    COMPILE_DEFINITIONS BORINGSSL_UNSAFE_DETERMINISTIC_MODE)
  target_compile_options(culvert_deterministic_random_objects PRIVATE -w -fno-strict-aliasing $<$<CONFIG:Debug>:-O2>)
  if(CULVERT_SANITIZE MATCHES "thread")
    target_compile_options(culvert_deterministic_random_objects PRIVATE -fsanitize=thread)
  endif()
  add_library(culvert_deterministic_random INTERFACE)
  target_link_libraries(culvert_deterministic_random INTERFACE
    $<TARGET_OBJECTS:culvert_deterministic_random_objects> BoringSSL::crypto)
  add_dependencies(culvert_deterministic_random culvert_deterministic_random_objects)
  add_library(culvert::deterministic_random ALIAS culvert_deterministic_random)
endfunction()
