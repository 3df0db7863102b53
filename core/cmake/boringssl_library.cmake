# How one of BoringSSL's libraries is compiled; used by the build proper and by the pass that lists its names.
include_guard(GLOBAL)

# culvert_add_boringssl(TARGET crypto|ssl ROOT): adds the static library TARGET from the sources unpacked in ROOT.
function(culvert_add_boringssl target library root)
  set(BORINGSSL_ROOT "${root}/")
  include("${root}/android-sources.cmake")
  set(sources ${${library}_sources})
  if(library STREQUAL "crypto")
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
      list(APPEND sources ${crypto_sources_linux_x86_64})
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
      list(APPEND sources ${crypto_sources_linux_aarch64})
    else()
      message(FATAL_ERROR "BoringSSL: no assembly for ${CMAKE_SYSTEM_PROCESSOR}; x86_64 and aarch64 are supported")
    endif()
  endif()
  add_library(${target} STATIC ${sources})
  set_target_properties(${target} PROPERTIES
    C_STANDARD 11 C_EXTENSIONS ON CXX_STANDARD 17 CXX_EXTENSIONS OFF
    POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    C_CLANG_TIDY "" CXX_CLANG_TIDY "" EXPORT_COMPILE_COMMANDS OFF)
  target_include_directories(${target} SYSTEM PUBLIC "${root}/src/include")
  target_include_directories(${target} PRIVATE "${root}/src")
  target_compile_definitions(${target} PRIVATE BORINGSSL_IMPLEMENTATION _XOPEN_SOURCE=700)
  target_compile_options(${target} PRIVATE -w
    $<$<COMPILE_LANGUAGE:C,CXX>:-fno-strict-aliasing>
    $<$<COMPILE_LANGUAGE:ASM>:-Wa,--noexecstack>)
  if(library STREQUAL "ssl")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti>)
  endif()
  target_link_libraries(${target} PUBLIC Threads::Threads)
endfunction()
