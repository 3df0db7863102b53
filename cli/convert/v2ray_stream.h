// One streamSettings of v2ray 4.x, of an inbound or outbound, as the transport settings of a listener or dialer. What v2ray assumes for
// a field that is absent is written out where culvert assumes something else. Source: spec/mkcp.md section 5, spec/quic.md section 1
// and 2, spec/tls.md section 1.1.
// Thread: any; no state.
#pragma once

#include <optional>
#include <string>

#include "cli/convert/notes.h"
#include "culvert/v1/dialer.pb.h"
#include "culvert/v1/listener.pb.h"

namespace culvert::cli {

// What a seed or an outer key is kept in until it is known where it goes: secrets are never in the messages.
struct StreamSecrets {
  std::optional<std::string> seed;
  std::optional<std::string> key;
};

struct StreamSource {
  JsonView stream;     // streamSettings
  JsonView transport;  // the file's "transport", for settings that the stream lacks
  std::string path;    // "inbounds[0].streamSettings"
  bool is_peer = false;  // the far end of it is wanted: what it sends we receive
};

enum class StreamNetwork { kOther, kKcp, kQuic };
StreamNetwork NetworkOf(const JsonView& stream);

// Fills transport, kcp, quic, tls, insecure and socket. False: it cannot be converted, as a note says.
bool ConvertStream(const StreamSource& source, v1::ListenerSpec& spec, StreamSecrets& secrets, Notes& notes);
bool ConvertStream(const StreamSource& source, v1::DialerSpec& spec, StreamSecrets& secrets, Notes& notes);

}  // namespace culvert::cli
