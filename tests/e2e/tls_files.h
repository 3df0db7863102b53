// A certificate authority and what it signed, as the files that tls blocks name.
#pragma once

#include <string>
#include <vector>

#include "tests/testing/certificate_maker.h"
#include "tests/testing/temp_dir.h"

namespace culvert::testing {

class TlsFiles {
 public:
  // Writes ca.crt; far.crt and far.key, for 127.0.0.1 and far.example; near.crt and near.key, for near.example.
  TlsFiles();

  const Certificate& ca() const { return ca_; }
  const Certificate& far() const { return far_; }
  const Certificate& near() const { return near_; }
  std::string Path(const std::string& name) const { return folder_.File(name); }
  // Makes the chain and key of `certificate` NAME.crt and NAME.key. Each appears as a whole.
  void Write(const std::string& name, const Certificate& certificate) const;
  // Makes `content` the file `name`, by moving a new file over it.
  void Replace(const std::string& name, const std::string& content) const;

  // Tls blocks. `more` is put behind the rest: "server_name: far.example".
  std::string Listener(const std::string& more = "") const;  // shows far.crt
  std::string Dialer(const std::string& more = "") const;    // trusts ca.crt
  // "certificate_file: .../NAME.crt, private_key_file: .../NAME.key"
  std::string Shows(const std::string& name) const;
  std::string Trusts(const std::string& file) const;

 private:
  TempDir folder_;
  Certificate ca_;
  Certificate far_;
  Certificate near_;
};

}  // namespace culvert::testing
