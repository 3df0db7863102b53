#include "tests/bench/compare/load.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <vector>

#include "core/base/status_macros.h"
#include "tests/testing/netns.h"

namespace culvert::bench {
namespace {

absl::StatusOr<testing::TcpStream> ConnectIn(const std::string& netns, const SocketAddress& to) {
  std::optional<testing::NetnsVisit> visit;
  if (!netns.empty()) {
    CULVERT_ASSIGN_OR_RETURN(visit, testing::NetnsVisit::Enter(netns));
  }
  return testing::TcpStream::Connect(to);
}

struct Snapshot {
  TimePoint at;
  uint64_t bytes;
  testing::ProcessUsage usage;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Target>> Target::Start(const std::string& netns) {
  std::optional<testing::NetnsVisit> visit;
  if (!netns.empty()) {
    CULVERT_ASSIGN_OR_RETURN(visit, testing::NetnsVisit::Enter(netns));
  }
  auto target = std::make_unique<Target>();
  Target* self = target.get();
  CULVERT_ASSIGN_OR_RETURN(target->server_,
                           testing::TcpServer::Start({IpAddress::LoopbackV4(), 0}, [self](testing::TcpStream& stream) {
                             std::vector<uint8_t> buffer(256 * 1024);
                             stream.SetLimit(std::chrono::minutes(5));
                             bool is_first = true;
                             bool echoes = false;
                             for (;;) {
                               const absl::StatusOr<size_t> size = stream.Read(buffer);
                               if (!size.ok() || *size == 0) return;
                               if (std::exchange(is_first, false)) echoes = buffer[0] == 'E';
                               self->received_ += *size;
                               if (echoes && !stream.Write(ByteView(buffer).first(*size)).ok()) return;
                             }
                           }));
  return target;
}

absl::StatusOr<BulkResult> MeasureBulk(const RunningSubject& subject, const Target& target,
                                       const std::string& near_netns, const BulkOptions& options) {
  std::vector<testing::TcpStream> streams;
  for (int i = 0; i < options.streams; ++i) {
    CULVERT_ASSIGN_OR_RETURN(testing::TcpStream stream, ConnectIn(near_netns, subject.entrance()));
    streams.push_back(std::move(stream));
  }
  std::atomic<bool> done{false};
  std::vector<std::thread> senders;
  for (testing::TcpStream& stream : streams) {
    senders.emplace_back([&stream, &done] {
      const std::vector<uint8_t> chunk(256 * 1024, 'b');
      stream.SetLimit(std::chrono::minutes(5));
      while (!done && stream.Write(chunk).ok()) {
      }
    });
  }
  const auto snapshot = [&] { return Snapshot{testing::MonotonicNow(), target.received(), subject.Usage()}; };
  std::this_thread::sleep_for(options.warm_up);
  const Snapshot begin = snapshot();
  std::this_thread::sleep_for(options.window);
  const Snapshot end = snapshot();
  done = true;
  for (testing::TcpStream& stream : streams) stream.Shutdown();
  for (std::thread& sender : senders) sender.join();

  const auto bytes = static_cast<double>(end.bytes - begin.bytes);
  BulkResult result;
  result.mbit_per_second = bytes * 8 / 1e6 / ToSeconds(end.at - begin.at);
  result.resident_mib = static_cast<double>(end.usage.resident_bytes) / 1048576;
  if (bytes > 0)
    result.cpu_seconds_per_gib = ToSeconds(end.usage.cpu_time - begin.usage.cpu_time) / (bytes / 1073741824);
  return result;
}

absl::StatusOr<double> MeasureRoundTrip(const RunningSubject& subject, const std::string& near_netns, Duration window) {
  CULVERT_ASSIGN_OR_RETURN(testing::TcpStream stream, ConnectIn(near_netns, subject.entrance()));
  std::vector<uint8_t> message(64, 'E');
  std::vector<double> times;
  const TimePoint end = testing::MonotonicNow() + window;
  do {
    const TimePoint start = testing::MonotonicNow();
    CULVERT_RETURN_IF_ERROR(stream.Write(message));
    CULVERT_RETURN_IF_ERROR(stream.ReadExactly(message));
    times.push_back(ToSeconds(testing::MonotonicNow() - start) * 1e3);
  } while (testing::MonotonicNow() < end);
  if (times.size() > 1) times.erase(times.begin());  // the first one opens the session
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

}  // namespace culvert::bench
