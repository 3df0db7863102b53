// kcp::Endpoint: mKCP behind culvert::Endpoint. One UDP socket's worth of conversations, looked up by (peer, conversation
// id); it accepts them, opens them, or both.
//
// A peer that has not yet proved that it receives at its address gets at most 3 times the bytes and at most 3 times the
// datagrams it sent (RFC 9000 section 8.1 applied to mKCP; quirks K4, reliability T01, T02).
// Thread: confined to one worker. Source: spec/mkcp.md sections 14 and 15.
#pragma once

#include <cstdint>
#include <memory>

#include "core/base/random.h"
#include "core/base/serial_number.h"
#include "core/kcp/config.h"
#include "core/transport/endpoint.h"

namespace culvert::kcp {

struct EndpointOptions {
  std::shared_ptr<const KcpConfig> config;
  bool accepts = false;                      // a listener's socket
  uint32_t max_sessions = 65536;             // accepted conversations, validated or not
  uint32_t max_unvalidated = 4096;           // of which have not proved their address
  uint32_t max_unvalidated_per_prefix = 64;  // of which come from one /24 or /56
  SerialNumber first_number;                 // mKCP's is 0; tests let both ends begin just below the wrap
};

// `random` must outlive the endpoint.
std::unique_ptr<culvert::Endpoint> CreateEndpoint(const EndpointOptions& options, RandomSource& random);

}  // namespace culvert::kcp
