# BoringSSL as plain static libraries: BoringSSL::crypto and BoringSSL::ssl.
#
# Every external name gets a prefix, because gRPC brings OpenSSL 3 into the same process: two libraries that define
# SSL_new and EVP_sha256 alike must never be able to bind to one another, whatever the order on the link line.
# BoringSSL does that by itself when it finds a header that lists its names. The list is made here from an unprefixed
# build (nothing is committed, nothing needs Go), once per machine, and kept beside the unpacked sources, which all
# build trees share.
include_guard(GLOBAL)
include(boringssl_library)

set(boringssl_libraries crypto ssl)
set(boringssl_prefix culvert_bssl)
set(boringssl_file "android-platform-external-boringssl_14.0.0+r45.orig.tar.xz")
set(boringssl_hash f9223e8c15ad5d9e3f1cd50861f4c272658864661e2332bea5d60952aa0930cd)  # deploy/setup pins the same

set(CULVERT_BORINGSSL_TARBALL "" CACHE FILEPATH "${boringssl_file}, when deploy/setup cannot fetch it")

# Unpacks the tarball into <cache>/src/boringssl-<hash>, unless that was done before, and sets `out` to the folder.
function(culvert_unpack_boringssl out)
  string(SUBSTRING ${boringssl_hash} 0 12 short)
  set(root "${CULVERT_CACHE_DIR}/src/boringssl-${short}")
  set(${out} "${root}" PARENT_SCOPE)
  if(EXISTS "${root}/android-sources.cmake")
    return()
  endif()
  set(tarball "${CULVERT_BORINGSSL_TARBALL}")
  if(NOT tarball)
    set(tarball "${CULVERT_CACHE_DIR}/downloads/${boringssl_file}")
  endif()
  if(NOT EXISTS "${tarball}")
    message(FATAL_ERROR "Run deploy/setup: ${tarball} is missing. Without apt: fetch it from "
      "Debian's archive, pool/main/a/android-platform-external-boringssl, and give -DCULVERT_BORINGSSL_TARBALL=FILE.")
  endif()
  file(SHA256 "${tarball}" hash)
  if(NOT hash STREQUAL boringssl_hash)
    message(FATAL_ERROR "${tarball} has SHA-256 ${hash}, expected ${boringssl_hash}: remove it and run deploy/setup")
  endif()
  message(STATUS "BoringSSL: unpacking into ${root}")
  file(REMOVE_RECURSE "${root}.new")
  file(ARCHIVE_EXTRACT INPUT "${tarball}" DESTINATION "${root}.new"
    PATTERNS "*/src/crypto/*" "*/src/ssl/*" "*/src/include/*" "*/src/third_party/*" "*/src/LICENSE"
             "*/linux-x86_64/*" "*/linux-aarch64/*" "*/err_data.c" "*/android-sources.cmake")
  # The archive's only member is one folder; a rename makes it appear whole or not at all.
  file(GLOB content "${root}.new/*")
  file(RENAME "${content}" "${root}")
  file(REMOVE_RECURSE "${root}.new")
endfunction()

# Makes the headers that tell BoringSSL its names, unless they are there, and sets `out` to their folder.
function(culvert_make_boringssl_prefix_headers root out)
  list(JOIN boringssl_libraries "-" key)
  set(folder "${root}/prefix-${key}-${CMAKE_SYSTEM_PROCESSOR}")
  set(${out} "${folder}" PARENT_SCOPE)
  if(EXISTS "${folder}/boringssl_prefix_symbols.h")
    return()
  endif()
  message(STATUS "BoringSSL: listing its names, once per machine (about half a minute)")
  set(build "${root}/names-build")
  set(launchers)
  if(CMAKE_C_COMPILER_LAUNCHER)
    set(launchers "-DCMAKE_C_COMPILER_LAUNCHER=${CMAKE_C_COMPILER_LAUNCHER}"
                  "-DCMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}")
  endif()
  string(REPLACE ";" "\\;" libraries "${boringssl_libraries}")
  file(REMOVE_RECURSE "${build}")
  cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
  foreach(step IN ITEMS configure build)
    if(step STREQUAL "configure")
      set(command ${CMAKE_COMMAND} -S "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/boringssl_names" -B "${build}"
        -G "${CMAKE_GENERATOR}" "-DCMAKE_C_COMPILER=${CMAKE_C_COMPILER}" "-DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}"
        ${launchers} "-DROOT=${root}" "-DLIBRARIES=${libraries}")
    else()
      set(command ${CMAKE_COMMAND} --build "${build}" --parallel ${cores})
    endif()
    execute_process(COMMAND ${command} RESULT_VARIABLE result OUTPUT_VARIABLE log ERROR_VARIABLE log)
    if(NOT result EQUAL 0)
      message(FATAL_ERROR "BoringSSL: the ${step} step of the name list failed:\n${log}")
    endif()
  endforeach()

  set(names)
  foreach(library IN LISTS boringssl_libraries)
    foreach(kind IN ITEMS --defined-only --undefined-only)
      execute_process(COMMAND ${CMAKE_NM} --extern-only ${kind} -P "${build}/lib${library}.a"
        OUTPUT_VARIABLE table ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
      # "NAME TYPE VALUE SIZE". Of the undefined names only the weak hooks (OPENSSL_memory_alloc, ...) are its own.
      if(kind STREQUAL "--defined-only")
        string(REGEX MATCHALL "\n[A-Za-z_][A-Za-z0-9_]* [A-Za-z] " rows "\n${table}")
      else()
        string(REGEX MATCHALL "\nOPENSSL_[A-Za-z0-9_]* w " rows "\n${table}")
      endif()
      list(APPEND names ${rows})
    endforeach()
  endforeach()
  # C++ names live in an inline namespace of BoringSSL's own making; two underscores belong to the compiler.
  list(TRANSFORM names REPLACE "^\n([A-Za-z0-9_]+) .*$" "\\1")
  list(FILTER names EXCLUDE REGEX "^(_Z|__)")
  list(REMOVE_DUPLICATES names)
  list(SORT names)
  list(LENGTH names count)
  if(count LESS 1000)
    message(FATAL_ERROR "BoringSSL: found only ${count} names, which cannot be all of them")
  endif()

  list(TRANSFORM names REPLACE "(.+)" "#define \\1 BORINGSSL_ADD_PREFIX(BORINGSSL_PREFIX, \\1)")
  list(JOIN names "\n" defines)
  file(REMOVE_RECURSE "${folder}.new" "${folder}")
  file(WRITE "${folder}.new/boringssl_prefix_symbols.h"
    "#define BORINGSSL_ADD_PREFIX_INNER(a, b) a##_##b\n"
    "#define BORINGSSL_ADD_PREFIX(a, b) BORINGSSL_ADD_PREFIX_INNER(a, b)\n"
    "${defines}\n")
  file(WRITE "${folder}.new/boringssl_prefix_symbols_asm.h" "#include <boringssl_prefix_symbols.h>\n")
  file(RENAME "${folder}.new" "${folder}")
  file(REMOVE_RECURSE "${build}")
  message(STATUS "BoringSSL: ${count} names")
endfunction()

file(MAKE_DIRECTORY "${CULVERT_CACHE_DIR}/src")
file(LOCK "${CULVERT_CACHE_DIR}/src/.lock" TIMEOUT 900)
culvert_unpack_boringssl(boringssl_root)
culvert_make_boringssl_prefix_headers("${boringssl_root}" boringssl_headers)
file(LOCK "${CULVERT_CACHE_DIR}/src/.lock" RELEASE)

foreach(library IN LISTS boringssl_libraries)
  set(target culvert_bssl_${library})
  culvert_add_boringssl(${target} ${library} "${boringssl_root}")
  add_library(BoringSSL::${library} ALIAS ${target})
  target_include_directories(${target} SYSTEM PUBLIC "${boringssl_headers}")
  target_compile_definitions(${target} PUBLIC BORINGSSL_PREFIX=${boringssl_prefix})
  # A debug tree debugs our code; the tests are not to wait for unoptimised arithmetic.
  target_compile_options(${target} PRIVATE $<$<AND:$<CONFIG:Debug>,$<COMPILE_LANGUAGE:C,CXX>>:-O2>)
  if(CULVERT_SANITIZE MATCHES "thread")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=thread>)
  endif()
endforeach()
if(TARGET culvert_bssl_ssl)
  target_link_libraries(culvert_bssl_ssl PUBLIC culvert_bssl_crypto)
endif()
