// WorkerDirectory: how one worker reaches another, for datagrams that the kernel gave to the wrong one: a QUIC connection lives on
// one worker, but its peer's address may change, and with it the socket that the kernel chooses (RFC 9000 section 9).
// Likewise a TCP connection whose other half is to come over a session that another worker has (reverse).
// Thread: any. It is touched for those only.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/io/tcp_socket.h"
#include "core/transport/datagram.h"
#include "server/config.h"

namespace culvert::server {

// Datagrams of one listener for connections of one worker, already without their wrapper.
struct HandoverBatch {
  struct Item {
    SocketAddress peer;
    Ecn ecn = Ecn::kNotEct;
    size_t size = 0;
  };
  ObjectId listener;
  std::vector<Item> items;
  std::vector<uint8_t> bytes;  // of all items, one behind the other
};

class WorkerDirectory {
 public:
  // That may wait at one worker; more are dropped, as a full socket buffer would.
  static constexpr size_t kMaxWaiting = 8192;
  using Post = std::function<bool(std::function<void()>)>;  // runs something on the worker's thread; false: not now
  using Take = std::function<void(HandoverBatch&)>;         // is run there
  using TakeConnection = std::function<void(const ObjectId& listener, io::TcpSocket connection, const SocketAddress& peer)>;  // likewise
  // REQUIRES: `take` is good for as long as what `post` accepted may run.
  void Register(uint32_t worker, Post post, Take take, TakeConnection take_connection = {});
  void Unregister(uint32_t worker);
  // False, and the batch is lost: no such worker, or too much waits there.
  [[nodiscard]] bool HandOver(uint32_t worker, HandoverBatch batch);
  // A TCP connection that one worker accepted for `listener` and another is to serve. False, and the connection is reset: no such
  // worker, or it takes nothing now.
  bool HandOver(uint32_t worker, const ObjectId& listener, io::TcpSocket connection, const SocketAddress& peer);
  [[nodiscard]] size_t worker_count() const;

 private:
  struct Entry {
    Post post;
    Take take;
    TakeConnection take_connection;
    std::atomic<size_t> waiting{0};  // datagrams
  };

  mutable std::mutex mutex_;
  std::map<uint32_t, std::shared_ptr<Entry>> workers_;
};

// Gathers the strays of one receive batch, so that each other worker gets one message.
class HandoverOutbox {
 public:
  void Add(uint32_t worker, const SocketAddress& peer, Ecn ecn, ByteView bytes);
  // Sends everything on its way and returns how many datagrams were lost. `directory`: nullptr loses them all.
  [[nodiscard]] size_t Send(const ObjectId& listener, WorkerDirectory* directory);

 private:
  std::map<uint32_t, HandoverBatch> batches_;
};

}  // namespace culvert::server
