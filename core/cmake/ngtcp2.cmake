# ngtcp2 with its BoringSSL side as one static library: Ngtcp2::ngtcp2. Unpacked and patched once per machine, beside
# BoringSSL's sources; Debian's security patches are applied.
#
# Our congestion controller hooks into the library from outside its public interface (core/quic/congestion_bridge.c), so that
# one file sees its private headers: target Ngtcp2::private gives them.
include_guard(GLOBAL)

set(ngtcp2_version 1.11.0)
set(ngtcp2_version_number 0x010b00)
set(ngtcp2_file "ngtcp2_1.11.0.orig.tar.xz")
set(ngtcp2_hash 382c15bf66b630f26021631b25b7eb1feac42c67c1d6826189d61091dfaa4d09)  # deploy/setup pins the same
set(ngtcp2_patches_file "ngtcp2_1.11.0-1+deb13u1.debian.tar.xz")
set(ngtcp2_patches_hash 5d45f3e07ebaf4fff773d6ec32eee78c8514e17bac67dee8e268fa97af440854)

set(CULVERT_NGTCP2_TARBALL "" CACHE FILEPATH "${ngtcp2_file}, when deploy/setup cannot fetch it")
set(CULVERT_NGTCP2_PATCHES_TARBALL "" CACHE FILEPATH "${ngtcp2_patches_file}, when deploy/setup cannot fetch it")

# Sets `out` to the tarball `file`, which must have the given hash. `given`: what the user said.
function(culvert_find_ngtcp2_tarball out file hash given option)
  set(tarball "${given}")
  if(NOT tarball)
    set(tarball "${CULVERT_CACHE_DIR}/downloads/${file}")
  endif()
  if(NOT EXISTS "${tarball}")
    message(FATAL_ERROR "Run deploy/setup: ${tarball} is missing. Without apt: fetch it from Debian's archive, "
      "pool/main/n/ngtcp2, and give -D${option}=FILE.")
  endif()
  file(SHA256 "${tarball}" found)
  if(NOT found STREQUAL hash)
    message(FATAL_ERROR "${tarball} has SHA-256 ${found}, expected ${hash}: remove it and run deploy/setup")
  endif()
  set(${out} "${tarball}" PARENT_SCOPE)
endfunction()

# Unpacks and patches into <cache>/src/ngtcp2-<hashes>, unless that was done before, and sets `out` to the folder.
function(culvert_unpack_ngtcp2 out)
  string(SUBSTRING ${ngtcp2_hash} 0 12 short)
  string(SUBSTRING ${ngtcp2_patches_hash} 0 6 short_patches)
  set(root "${CULVERT_CACHE_DIR}/src/ngtcp2-${short}-${short_patches}")
  set(${out} "${root}" PARENT_SCOPE)
  if(EXISTS "${root}/lib")
    return()
  endif()
  culvert_find_ngtcp2_tarball(tarball ${ngtcp2_file} ${ngtcp2_hash} "${CULVERT_NGTCP2_TARBALL}" CULVERT_NGTCP2_TARBALL)
  culvert_find_ngtcp2_tarball(patches "${ngtcp2_patches_file}" ${ngtcp2_patches_hash} "${CULVERT_NGTCP2_PATCHES_TARBALL}"
    CULVERT_NGTCP2_PATCHES_TARBALL)
  message(STATUS "ngtcp2: unpacking into ${root}")
  file(REMOVE_RECURSE "${root}.new")
  file(ARCHIVE_EXTRACT INPUT "${tarball}" DESTINATION "${root}.new")
  file(GLOB content "${root}.new/*")
  file(ARCHIVE_EXTRACT INPUT "${patches}" DESTINATION "${root}.new")
  file(STRINGS "${root}.new/debian/patches/series" series)
  foreach(patch IN LISTS series)
    execute_process(COMMAND patch -p1 --fuzz=0 --batch -i "${root}.new/debian/patches/${patch}"
      WORKING_DIRECTORY "${content}" RESULT_VARIABLE result OUTPUT_VARIABLE log ERROR_VARIABLE log)
    if(NOT result EQUAL 0)
      message(FATAL_ERROR "ngtcp2: ${patch} does not apply:\n${log}")
    endif()
  endforeach()
  set(PACKAGE_VERSION ${ngtcp2_version})
  set(PACKAGE_VERSION_NUM ${ngtcp2_version_number})
  configure_file("${content}/lib/includes/ngtcp2/version.h.in" "${content}/lib/includes/ngtcp2/version.h" @ONLY)
  file(RENAME "${content}" "${root}")
  file(REMOVE_RECURSE "${root}.new")
endfunction()

# culvert_add_ngtcp2(TARGET ROOT SSL_TARGET): the library against one of our BoringSSL builds.
function(culvert_add_ngtcp2 target root ssl)
  file(GLOB sources "${root}/lib/*.c")
  add_library(${target} STATIC ${sources} "${root}/crypto/shared.c" "${root}/crypto/boringssl/boringssl.c")
  set_target_properties(${target} PROPERTIES
    C_STANDARD 11 C_EXTENSIONS ON POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden
    C_CLANG_TIDY "" EXPORT_COMPILE_COMMANDS OFF)
  target_include_directories(${target} SYSTEM PUBLIC "${root}/lib/includes" "${root}/crypto/includes")
  target_include_directories(${target} PRIVATE "${root}/lib" "${root}/crypto")
  target_compile_definitions(${target} PUBLIC NGTCP2_STATICLIB PRIVATE BUILDING_NGTCP2 _GNU_SOURCE
    HAVE_ARPA_INET_H HAVE_NETINET_IN_H HAVE_NETINET_IP_H HAVE_UNISTD_H HAVE_ENDIAN_H HAVE_BYTESWAP_H HAVE_ASM_TYPES_H
    HAVE_LINUX_NETLINK_H HAVE_LINUX_RTNETLINK_H HAVE_DECL_BE64TOH=1 HAVE_DECL_BSWAP_64=1 HAVE_EXPLICIT_BZERO)
  # Its assertions sit on the hot path; debug trees keep them.
  target_compile_options(${target} PRIVATE -w $<$<CONFIG:Debug>:-O2>)
  if(CULVERT_SANITIZE)
    # It parses what peers send, so the sanitizers see it.
    target_compile_options(${target} PRIVATE -fsanitize=${CULVERT_SANITIZE} -fno-omit-frame-pointer)
  endif()
  if(CULVERT_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
  target_link_libraries(${target} PUBLIC ${ssl})
endfunction()

file(LOCK "${CULVERT_CACHE_DIR}/src/.lock" TIMEOUT 900)
culvert_unpack_ngtcp2(ngtcp2_root)
file(LOCK "${CULVERT_CACHE_DIR}/src/.lock" RELEASE)
culvert_add_ngtcp2(culvert_ngtcp2 "${ngtcp2_root}" BoringSSL::ssl)
add_library(Ngtcp2::ngtcp2 ALIAS culvert_ngtcp2)
add_library(culvert_ngtcp2_private INTERFACE)
target_include_directories(culvert_ngtcp2_private SYSTEM INTERFACE "${ngtcp2_root}/lib")
target_compile_definitions(culvert_ngtcp2_private INTERFACE _GNU_SOURCE HAVE_ARPA_INET_H HAVE_NETINET_IN_H)
target_link_libraries(culvert_ngtcp2_private INTERFACE culvert_ngtcp2)
add_library(Ngtcp2::private ALIAS culvert_ngtcp2_private)
