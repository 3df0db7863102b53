#include "tests/e2e/tls_files.h"

#include <stdio.h>

#include "absl/strings/str_format.h"
#include "core/base/check.h"

namespace culvert::testing {

TlsFiles::TlsFiles()
    : ca_(MakeCa("test CA")),
      far_(MakeLeaf(ca_, {"far.example", "127.0.0.1"})),
      near_(MakeLeaf(ca_, {"near.example"})) {
  Replace("ca.crt", ca_.certificate_pem);
  Write("far", far_);
  Write("near", near_);
}

void TlsFiles::Write(const std::string& name, const Certificate& certificate) const {
  Replace(name + ".key", certificate.private_key_pem);
  Replace(name + ".crt", certificate.chain_pem);
}

void TlsFiles::Replace(const std::string& name, const std::string& content) const {
  const std::string fresh = folder_.Write(name + ".new", content, 0600);
  CULVERT_CHECK(rename(fresh.c_str(), folder_.File(name).c_str()) == 0);
}

std::string TlsFiles::Shows(const std::string& name) const {
  return absl::StrFormat("certificate_file: \"%s\", private_key_file: \"%s\"", Path(name + ".crt"), Path(name + ".key"));
}

std::string TlsFiles::Trusts(const std::string& file) const { return absl::StrFormat("trust_file: \"%s\"", Path(file)); }

std::string TlsFiles::Listener(const std::string& more) const {
  return "{" + Shows("far") + (more.empty() ? "" : ", " + more) + "}";
}

std::string TlsFiles::Dialer(const std::string& more) const {
  return "{" + Trusts("ca.crt") + (more.empty() ? "" : ", " + more) + "}";
}

}  // namespace culvert::testing
