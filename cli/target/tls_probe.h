// Why TLS to a daemon did not come about, in words. gRPC only tells that it did not; so the handshake is done once more, by itself,
// and what goes wrong in it is looked at. Nothing is sent but the handshake.
// Thread: any; blocks up to the limit.
#pragma once

#include <string>

#include "cli/process/failure.h"
#include "cli/process/globals.h"
#include "cli/target/tls_material.h"
#include "core/base/time.h"

namespace culvert::cli {

// A failure of kUnreachable, or kDenied where one of the two ends refuses the other, with the fix. `otherwise`: what is said when
// nothing is found.
Failure ExplainTls(const std::string& host_port, const TlsFlags& flags, const TlsMaterial& material, Duration limit,
                   const std::string& otherwise);

}  // namespace culvert::cli
