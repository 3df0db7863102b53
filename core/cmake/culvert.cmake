# The helpers every folder declares its targets with: one include root, one set of warnings, one place for sanitizers.
include_guard(GLOBAL)
include(GoogleTest)

add_library(culvert_flags INTERFACE)
target_include_directories(culvert_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(culvert_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror>
  # GCC 12 sees overflows inside inlined std::vector and std::string code that is correct (GCC bugs 105329, 105651,
  # 107852).
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-missing-field-initializers -Wno-array-bounds
    -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:Clang>>:-Wno-missing-field-initializers>)
if(CULVERT_SANITIZE)
  set(_sanitize -fsanitize=${CULVERT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_compile_options(culvert_flags INTERFACE ${_sanitize})
  target_link_options(culvert_flags INTERFACE ${_sanitize})
else()
  # Hardening of everything we ship (OpenSSF compiler options).
  target_compile_options(culvert_flags INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2> -fstack-protector-strong)
  target_compile_definitions(culvert_flags INTERFACE _GLIBCXX_ASSERTIONS)
  target_link_options(culvert_flags INTERFACE -Wl,-z,relro,-z,now -Wl,--as-needed)
endif()
if(CULVERT_FUZZ)
  target_compile_options(culvert_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# culvert_library(NAME SOURCES a.cc ... [DEPS target ...] [EXCEPTIONS])
# Declares library culvert_NAME with alias culvert::NAME. Code in core/ is built without exceptions.
function(culvert_library name)
  cmake_parse_arguments(ARG "EXCEPTIONS" "" "SOURCES;DEPS" ${ARGN})
  add_library(culvert_${name} STATIC ${ARG_SOURCES})
  add_library(culvert::${name} ALIAS culvert_${name})
  target_link_libraries(culvert_${name} PUBLIC culvert_flags ${ARG_DEPS})
  if(NOT ARG_EXCEPTIONS)
    target_compile_options(culvert_${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
  endif()
endfunction()

# culvert_executable(NAME SOURCES a.cc ... [DEPS target ...])
function(culvert_executable name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE culvert_flags ${ARG_DEPS})
endfunction()

# culvert_test(NAME SOURCES a.cc ... [DEPS target ...] LABELS unit|golden|sim|fuzz-smoke|interop|e2e|slow
#              [TIMEOUT seconds] [ARGS ...] [SERIAL])
# One GoogleTest executable. Every TEST in it is a CTest test of its own, NAME.Suite.Case, so that a skip is counted as
# one and cannot hide a failure beside it. TIMEOUT is for each. SERIAL: nothing else runs at the same time.
function(culvert_test name)
  cmake_parse_arguments(ARG "SERIAL" "TIMEOUT" "SOURCES;DEPS;LABELS;ARGS" ${ARGN})
  if(NOT ARG_LABELS)
    message(FATAL_ERROR "culvert_test(${name}): LABELS is required")
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE culvert_flags ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  # GCC 12 takes strings of a temporary made by designated initialisers for uninitialised on the way of an exception.
  target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  set(properties TIMEOUT ${ARG_TIMEOUT})
  if(ARG_SERIAL)
    list(APPEND properties RUN_SERIAL TRUE)
  elseif(ARG_LABELS MATCHES "e2e|interop")
    # These own ports, folders or namespaces: one at a time within an executable, as in one process.
    list(APPEND properties RESOURCE_LOCK ${name})
  endif()
  gtest_discover_tests(${name}
    TEST_PREFIX "${name}." NO_PRETTY_VALUES DISCOVERY_TIMEOUT 120
    EXTRA_ARGS ${ARG_ARGS}
    PROPERTIES ${properties})
  # Not through PROPERTIES, which flattens a list of labels. CTest reads this after what the discovery wrote.
  set(labels_file ${CMAKE_CURRENT_BINARY_DIR}/${name}_labels.cmake)
  file(CONFIGURE OUTPUT ${labels_file} @ONLY CONTENT [=[
if(@name@_TESTS)
  set_tests_properties(${@name@_TESTS} PROPERTIES LABELS "@ARG_LABELS@")
endif()
]=])
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${labels_file})
endfunction()
