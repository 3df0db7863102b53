# jsoncons, headers alone: Jsoncons::jsoncons. It evaluates JSONPath and JMESPath for culvertctl. From the system where it has one
# (Debian 13), else as deploy/setup unpacked it.
include_guard(GLOBAL)

find_path(CULVERT_JSONCONS_INCLUDE jsoncons_ext/jmespath/jmespath.hpp
  HINTS "${CULVERT_CACHE_DIR}/libraries/jsoncons/usr/include"
  DOC "Folder of jsoncons' headers, when deploy/setup cannot fetch them")
if(NOT CULVERT_JSONCONS_INCLUDE)
  message(FATAL_ERROR "Run deploy/setup: jsoncons is missing. Without apt: fetch jsoncons 1.3.2 and give "
    "-DCULVERT_JSONCONS_INCLUDE=FOLDER, which holds jsoncons and jsoncons_ext.")
endif()

add_library(Jsoncons::jsoncons INTERFACE IMPORTED)
# Of the system, for the compiler: its headers are not held to our warnings.
target_include_directories(Jsoncons::jsoncons SYSTEM INTERFACE "${CULVERT_JSONCONS_INCLUDE}")
