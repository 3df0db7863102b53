# Writes the bytes of file IN as a C++ array into file OUT: cmake -DIN=... -DOUT=... -P embed.cmake
file(READ ${IN} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "#include <cstddef>
extern const unsigned char kCulvertDescriptorSet[];
extern const size_t kCulvertDescriptorSetBytes;
const unsigned char kCulvertDescriptorSet[] = {
${bytes}};
const size_t kCulvertDescriptorSetBytes = sizeof kCulvertDescriptorSet;
")
