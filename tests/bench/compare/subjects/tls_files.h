// What the subjects with TLS show and trust: made once per run, kept in memory.
#pragma once

#include <string>

namespace culvert::bench {

inline constexpr const char* kServerName = "bench.example";

struct TlsFiles {
  std::string authority_pem;    // what a client trusts
  std::string certificate_pem;  // the server's, P-256, for kServerName
  std::string private_key_pem;
};
// Thread: any.
const TlsFiles& BenchTlsFiles();

}  // namespace culvert::bench
