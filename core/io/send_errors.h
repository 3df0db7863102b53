// Why the kernel did not take datagrams, as counters. For the .cc files of this folder.
#pragma once

#include <cerrno>
#include <cstddef>

#include "core/io/udp_socket.h"

namespace culvert::io {

inline void CountSendFailure(UdpSocket::Counters& counters, int error_number, size_t datagrams) {
  switch (error_number) {
    case ECONNREFUSED:
      counters.send_refused += datagrams;
      return;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
      counters.send_unreachable += datagrams;
      return;
    case EMSGSIZE:
      counters.send_too_big += datagrams;
      return;
    case ENOBUFS:
    case ENOMEM:
    case EAGAIN:
      counters.send_no_buffers += datagrams;
      return;
    case EPERM:
    case EACCES:
      counters.send_not_permitted += datagrams;
      return;
    default:
      counters.send_other_errors += datagrams;
  }
}

}  // namespace culvert::io
