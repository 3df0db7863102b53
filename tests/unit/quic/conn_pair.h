// ConnPair: two bare ngtcp2 connections with TLS on a virtual link, in virtual time, for tests of what sits beside a connection: the
// congestion controller and its bridge. The client sends stream bytes for as long as the test wants, paced as Connection does it.
// TLS draws its keys from the system, so sizes of handshake packets may differ by a byte or two between runs; nothing else does.
#pragma once

#include <ngtcp2/ngtcp2.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "core/base/random.h"
#include "core/base/time.h"
#include "core/congestion/pacer.h"
#include "core/quic/congestion.h"
#include "tests/testing/delay_line.h"

namespace culvert::quic {

struct ConnPairOptions {
  uint64_t seed = 1;
  // nullopt: ngtcp2's own CUBIC with nothing of ours.
  std::optional<CongestionControl> control = CongestionControl::kBbr;
  testing::LinkOptions up;    // client to server
  testing::LinkOptions down;
  size_t max_udp_payload_bytes = 1452;
  uint64_t window_bytes = 64 << 20;  // flow control, of the connection and of each stream
};

class ConnPair {
 public:
  explicit ConnPair(const ConnPairOptions& options);
  ~ConnPair();
  ConnPair(const ConnPair&) = delete;
  ConnPair& operator=(const ConnPair&) = delete;

  // Advances until `done`, or until `limit` of virtual time has passed or a connection failed; true when done.
  bool RunUntil(const std::function<bool()>& done, Duration limit);
  void RunFor(Duration time) { static_cast<void>(RunUntil([] { return false; }, time)); }

  // How much the client has to send in all on its stream.
  uint64_t to_send = 0;
  // Client datagrams above this many bytes vanish.
  size_t path_mtu_bytes = 65535;
  // While true nothing crosses the link.
  bool black_hole = false;
  // Marks every nth datagram of the client on its way; 0: none.
  uint32_t mark_every = 0;

  uint64_t received() const { return received_; }
  uint64_t sent() const { return sent_; }
  // The largest datagram of the client since it was last asked.
  size_t TakeLargestDatagram() { return std::exchange(largest_datagram_, 0); }
  bool is_ready() const;
  bool has_failed() const { return failed_; }
  TimePoint now() const { return now_; }
  ngtcp2_conn* client();
  Congestion& congestion();
  ngtcp2_conn_info ClientInfo();
  const testing::LinkCounters& up() const { return up_.counters(); }
  // The client goes on from another local address.
  bool Migrate();

 private:
  struct End;
  struct Tls;
  friend struct ConnPairCallbacks;

  ngtcp2_settings Settings(const End& end) const;
  ngtcp2_transport_params Parameters() const;
  void StartClient();
  void StartServer(ByteView datagram);
  void Attach(End& end);
  void Receive(End& end, ByteView datagram, Ecn ecn, uint16_t port);
  void Write(End& end);
  bool WriteOne(End& end, bool with_data);
  void Deliver();
  TimePoint NextEvent() const;

  ConnPairOptions options_;
  SeededRandom random_;
  TimePoint now_{std::chrono::seconds(1)};
  testing::DelayLine up_;
  testing::DelayLine down_;
  std::unique_ptr<Tls> tls_;
  std::unique_ptr<End> client_;
  std::unique_ptr<End> server_;
  uint16_t client_port_ = 1;
  int64_t stream_ = -1;
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  uint64_t datagrams_ = 0;
  size_t largest_datagram_ = 0;
  bool failed_ = false;
};

}  // namespace culvert::quic
