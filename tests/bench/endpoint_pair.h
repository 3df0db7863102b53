// EndpointPair: a dialling and an accepting mKCP endpoint on a link of 1 ms each way that loses nothing, in virtual time, with as
// little around them as possible, so that time and memory measured here are the engines'. For measurements and for the tests
// that hold sizes and counts.
// Thread: one.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "core/kcp/endpoint.h"

namespace culvert::bench {

class EndpointPair {
 public:
  static constexpr Duration kDelay = std::chrono::milliseconds(1);

  struct End {
    explicit End(uint64_t seed) : random(seed) {}
    SeededRandom random;
    SocketAddress address;
    std::unique_ptr<Endpoint> endpoint;
    std::vector<StreamHandle> streams;  // opened or accepted, in order
    uint64_t read_bytes = 0;
    uint64_t sent_datagrams = 0;
  };

  explicit EndpointPair(const kcp::KcpOptions& options) : dialler_(1), listener_(2) {
    const auto config = *kcp::KcpConfig::Create(options);
    dialler_.address = {IpAddress::LoopbackV4(), 40000};
    listener_.address = {IpAddress::LoopbackV4(), 4000};
    dialler_.endpoint = kcp::CreateEndpoint({.config = config}, dialler_.random);
    listener_.endpoint = kcp::CreateEndpoint({.config = config, .accepts = true}, listener_.random);
  }

  End& dialler() { return dialler_; }
  End& listener() { return listener_; }
  TimePoint now() const { return now_; }

  void Open() { dialler_.streams.push_back(*dialler_.endpoint->Connect(now_, listener_.address)); }
  // Opens sessions a few at a time and waits until all have proved their address and have fallen silent.
  void OpenIdle(size_t count) {
    while (count > 0) {
      const size_t some = std::min<size_t>(count, 64);
      for (size_t i = 0; i < some; ++i) Open();
      count -= some;
      RunFor(std::chrono::milliseconds(200));
    }
    RunFor(std::chrono::seconds(1));
  }

  void RunFor(Duration time) {
    const TimePoint until = now_ + time;
    while (now_ < until) Step(until);
  }

  // One step of virtual time: what is on its way arrives, what is due happens.
  void Step(TimePoint until) {
    const bool is_quiet = to_listener_.empty() && to_dialler_.empty() && !dialler_.endpoint->HasPendingOutput() &&
                          !listener_.endpoint->HasPendingOutput();
    TimePoint next = now_ + kDelay;
    if (is_quiet) {
      next = std::min(dialler_.endpoint->NextTimeout().value_or(until), listener_.endpoint->NextTimeout().value_or(until));
    }
    now_ = std::clamp(next, now_, until);
    Deliver(to_listener_, dialler_, listener_);
    Deliver(to_dialler_, listener_, dialler_);
    Settle(dialler_, to_listener_);
    Settle(listener_, to_dialler_);
  }

 private:
  // The datagrams on their way in one direction, one after the other in one buffer that is reused.
  class Wire final : public DatagramSink {
   public:
    ByteSpan Reserve(const SocketAddress&, size_t max_size) override {
      if (bytes_.size() < used_ + max_size) bytes_.resize(2 * (used_ + max_size));
      return ByteSpan(bytes_).subspan(used_, max_size);
    }
    void Commit(size_t size) override {
      if (size == 0) return;
      sizes_.push_back(size);
      used_ += size;
    }
    bool empty() const { return sizes_.empty(); }
    // Hands out every datagram and forgets them.
    template <typename Visitor>
    void Drain(Visitor&& visit) {
      size_t offset = 0;
      for (const size_t size : sizes_) {
        visit(ByteSpan(bytes_).subspan(offset, size));
        offset += size;
      }
      sizes_.clear();
      used_ = 0;
    }

   private:
    std::vector<uint8_t> bytes_ = std::vector<uint8_t>(1 << 22);
    std::vector<size_t> sizes_ = [] {
      std::vector<size_t> reserved;
      reserved.reserve(1 << 16);
      return reserved;
    }();
    size_t used_ = 0;
  };

  void Deliver(Wire& wire, End& from, End& to) {
    wire.Drain([&](ByteSpan bytes) {
      ++from.sent_datagrams;
      Datagram datagram{from.address, bytes};
      (void)to.endpoint->OnDatagram(now_, datagram);
    });
  }

  void Settle(End& end, Wire& wire) {
    if (end.endpoint->NextTimeout().value_or(kInfiniteFuture) <= now_) end.endpoint->OnTimeout(now_);
    end.endpoint->Flush(now_, wire);
    while (const std::optional<Event> event = end.endpoint->PollEvent()) {
      if (event->kind == Event::Kind::kOpened) end.streams.push_back(event->stream);
      if (event->kind == Event::Kind::kReadable) Read(end, event->stream);
    }
    end.endpoint->Flush(now_, wire);
  }

  void Read(End& end, StreamHandle stream) {
    std::array<ByteView, 16> views;
    while (const size_t count = end.endpoint->Peek(stream, views)) {
      size_t size = 0;
      for (size_t i = 0; i < count; ++i) size += views[i].size();
      end.endpoint->Consume(stream, size);
      end.read_bytes += size;
    }
  }

  TimePoint now_{std::chrono::seconds(1000)};
  End dialler_;
  End listener_;
  Wire to_listener_;
  Wire to_dialler_;
};

}  // namespace culvert::bench
