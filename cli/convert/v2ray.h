// A configuration of v2ray-core 4.x as declared objects of culvert: a Listener for every inbound and a Dialer for every outbound whose
// streamSettings have network kcp or quic, and a Forward where both ends of the way are plain: bytes that come in go out as they are.
// Thread: any; no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/convert/notes.h"

namespace culvert::cli {

struct ConvertOptions {
  // The other end of everything: a Dialer for an inbound, which reaches that v2ray, and a Listener for an outbound.
  bool is_peer = false;
  std::string host;      // is_peer: where that v2ray is, for inbounds that listen on all addresses; empty: not known
  std::string seed_dir;  // where seeds and keys are to go, absolute; empty: they stand in the YAML
};

struct SecretFile {
  std::string path;  // below seed_dir
  std::string content;
};

struct Conversion {
  std::string yaml;
  size_t objects = 0;
  std::vector<Note> notes;
  std::vector<SecretFile> secrets;  // to be written
};

// `file`: as messages name it. Errors: INVALID_ARGUMENT "FILE:LINE: what" for what is no such file.
absl::StatusOr<Conversion> ConvertV2ray(std::string_view text, const std::string& file, const ConvertOptions& options);

}  // namespace culvert::cli
