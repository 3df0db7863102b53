// Socket settings of the configuration as core/io wants them.
#pragma once

#include "core/io/socket_options.h"
#include "server/config.h"

namespace culvert::server {

inline io::SocketOptions ToIoOptions(const SocketOptions& options) {
  return {.interface = options.interface,
          .mark = options.mark,
          .dscp = options.dscp,
          .receive_buffer_bytes = options.receive_buffer_bytes,
          .send_buffer_bytes = options.send_buffer_bytes};
}

}  // namespace culvert::server
