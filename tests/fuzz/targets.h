// What the fuzzers feed. Each takes any bytes and must neither crash nor break an invariant (checked with CULVERT_CHECK). The
// same functions run under libFuzzer (preset fuzz) and, in every test run, over the corpus and random mutations.
#pragma once

#include <string_view>

#include "core/base/bytes.h"

namespace culvert::fuzz {

// Opens the bytes as a datagram in every mode, parses them as a plaintext; what parses is encoded again and must be the same.
void MkcpPacket(ByteView input);
// A script: datagrams (sealed correctly, so that they reach the engine), application calls and passing time, on one endpoint.
void MkcpSession(ByteView input);
// The same datagrams through our parser and endpoint and through the reference model (tests/sim/reference): the same segments,
// the same bytes delivered, acks that say what the model received, and the same numbers taken as acknowledged.
void MkcpDiff(ByteView input);
// Disguise headers against a model of their counters; what is disguised and sealed opens again, what is damaged does not.
void Headers(ByteView input);

// A script: datagrams from strangers, to a listener and to a client; frames sealed with the keys of a real connection, so that they
// reach the frame parser; real datagrams changed on their way; application calls, changes of address and passing time.
void QuicIngress(ByteView input);
// The bytes as the token of a first packet, of a genuine Retry, as stateless reset, and as the file of keys that outlive a daemon.
void QuicTokens(ByteView input);

// What a client or another daemon says on a stream before its data; in tests/fuzz/frontdoor.cc. The same bytes give the same result
// in one piece and in two, nothing is taken beyond the request, output is bounded, what was parsed is written and parsed again.
void Socks5(ByteView input);
void HttpConnect(ByteView input);
// StreamOpen, StreamAccept, the address in front of a datagram, and the header of SOCKS5 datagrams.
void StreamHeader(ByteView input);

// A script of datagrams, ends and passing time on the UDP dispatcher, with a model beside it (tests/sim/dispatch_script.h).
void Dispatcher(ByteView input);

// Any bytes as the database of declared objects and its log, or a good one whose rows are changed: only what its checksum vouches for is
// taken, the daemon starts, and all is well at the next start (tests/fuzz/state.cc).
void State(ByteView input);

#ifdef CULVERT_FUZZ_CONTROL  // trees without the control plane have none of these
// A text as filter, order and read mask of every list, and comparisons put together of fields and values, by the laws that hold of
// them; nothing that is secret is reachable (tests/fuzz/filter.cc).
void FilterOrderMask(ByteView input);
// A text as a file of declared objects, planned on an empty daemon: refused with file, line and field, or the same once it is
// written and read again (tests/fuzz/config.cc).
void Config(ByteView input);
// A script of calls of every method of the API with requests built field by field: sound answers, and no change by what was refused
// (tests/fuzz/api.cc).
void Api(ByteView input);
#endif

struct Target {
  std::string_view name;  // fz_NAME is the program, corpus/NAME the folder
  void (*run)(ByteView);
};
inline constexpr Target kTargets[] = {
    {"mkcp_packet", MkcpPacket}, {"mkcp_session", MkcpSession}, {"mkcp_diff", MkcpDiff}, {"headers", Headers},
    {"quic_ingress", QuicIngress}, {"quic_tokens", QuicTokens},
    {"socks5", Socks5}, {"http_connect", HttpConnect}, {"framing", StreamHeader}, {"dispatcher", Dispatcher},
    {"state", State},
#ifdef CULVERT_FUZZ_CONTROL
    {"filter", FilterOrderMask}, {"config", Config}, {"api", Api},
#endif
};

}  // namespace culvert::fuzz
