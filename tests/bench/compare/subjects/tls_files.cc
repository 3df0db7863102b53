#include "tests/bench/compare/subjects/tls_files.h"

#include "tests/testing/certificate_maker.h"

namespace culvert::bench {

const TlsFiles& BenchTlsFiles() {
  static const TlsFiles& files = *[] {
    const testing::Certificate authority = testing::MakeCa("benchmark authority");
    const testing::Certificate leaf = testing::MakeLeaf(authority, {kServerName});
    return new TlsFiles{authority.certificate_pem, leaf.certificate_pem, leaf.private_key_pem};
  }();
  return files;
}

}  // namespace culvert::bench
