// What ngtcp2 calls. Each trampoline finds its Connection, tells it, and returns: none re-enters ngtcp2 but for giving credit, none
// deletes anything ngtcp2 still holds.
// For .cc files of this folder.
#pragma once

#include <ngtcp2/ngtcp2.h>

namespace culvert::quic {

class Connection;

// The table for ngtcp2_conn_client_new and ngtcp2_conn_server_new; its user_data is a Connection.
ngtcp2_callbacks MakeCallbacks();

// ngtcp2's callback for opening packets does not say which connection it is for; the one that reads is noted here for as long as it
// reads. Thread: its own.
class ReadingScope {
 public:
  explicit ReadingScope(Connection& connection);
  ~ReadingScope();
  ReadingScope(const ReadingScope&) = delete;
  ReadingScope& operator=(const ReadingScope&) = delete;
};

}  // namespace culvert::quic
