// What TLS to a daemon is made of: read from files and judged before anything is contacted.
// Thread: any; no state.
#pragma once

#include <cstdint>
#include <string>

#include "cli/process/failure.h"
#include "cli/process/globals.h"

namespace culvert::cli {

struct TlsMaterial {
  std::string ca_pem;           // never empty
  std::string ca_path;          // where it came from
  std::string certificate_pem;  // empty: we show none
  std::string key_pem;
};

// Failures: usage, naming flag and file: what cannot be read, is no PEM, does not fit together; a key that others may read. Never a
// byte of a key.
Outcome LoadTls(const TlsFlags& flags, const Environment& environment, TlsMaterial& material);

}  // namespace culvert::cli
