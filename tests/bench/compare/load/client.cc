#include "tests/bench/compare/load/client.h"

#include <optional>

#include "core/base/status_macros.h"
#include "tests/bench/compare/interrupt.h"
#include "tests/bench/compare/load/pattern.h"
#include "tests/testing/netns.h"
#include "tests/testing/unique_fd.h"

namespace culvert::bench {
namespace {

using testing::MonotonicNow;

double MillisecondsSince(TimePoint start) { return ToSeconds(MonotonicNow() - start) * 1e3; }

}  // namespace

absl::StatusOr<testing::TcpStream> Connect(const Door& door) {
  std::optional<testing::NetnsVisit> visit;
  if (!door.netns.empty()) {
    CULVERT_ASSIGN_OR_RETURN(visit, testing::NetnsVisit::Enter(door.netns));
  }
  return testing::TcpStream::Connect(door.entrance, Pings::kAnswerLimit);
}

absl::StatusOr<std::unique_ptr<BulkStream>> BulkStream::Start(const Door& door, Direction direction,
                                                              const Target& target) {
  std::unique_ptr<BulkStream> bulk(new BulkStream(target, direction));
  bulk->target_received_before_ = target.received();
  bulk->target_corrupted_before_ = target.corrupted();
  bulk->started_at_ = MonotonicNow();
  CULVERT_ASSIGN_OR_RETURN(testing::TcpStream stream, Connect(door));
  stream.SetLimit(std::chrono::minutes(10));
  bulk->stream_ = std::make_unique<testing::TcpStream>(std::move(stream));
  BulkStream* self = bulk.get();
  bulk->thread_ = std::thread([self] { self->direction_ == Direction::kUp ? self->Send() : self->Receive(); });
  return bulk;
}

BulkStream::~BulkStream() {
  is_stopping_ = true;
  if (stream_) stream_->Shutdown();
  if (thread_.joinable()) thread_.join();
  if (stream_) stream_->Reset();
}

void BulkStream::Send() {
  absl::Status status = stream_->Write("S");
  for (uint64_t offset = 0; status.ok() && !is_stopping_; offset += kChunkBytes) {
    status = stream_->Write(PatternAt(offset, kChunkBytes));
  }
  Fail(status);
}

void BulkStream::Receive() {
  absl::Status status = stream_->Write("G");
  std::vector<uint8_t> buffer(kChunkBytes);
  while (status.ok() && !is_stopping_) {
    const absl::StatusOr<size_t> size = stream_->Read(buffer);
    if (!size.ok() || *size == 0) {
      status = size.ok() ? absl::OutOfRangeError("the stream ended") : size.status();
    } else if (!IsPattern(received_, ByteView(buffer).first(*size))) {
      status = absl::DataLossError("what arrived is not what was sent");
    } else {
      received_ += *size;
    }
  }
  Fail(status);
}

void BulkStream::Fail(const absl::Status& status) {
  if (is_stopping_) return;
  const std::lock_guard lock(mutex_);
  status_ = status;
}

uint64_t BulkStream::delivered() const {
  return direction_ == Direction::kUp ? target_.received() - target_received_before_ : received_.load();
}

absl::Status BulkStream::status() const {
  if (target_.corrupted() != target_corrupted_before_) {
    return absl::DataLossError("what arrived is not what was sent");
  }
  const std::lock_guard lock(mutex_);
  return status_;
}

Pings::Pings(const Door& door, const Options& options)
    : samples_(static_cast<size_t>(options.connections)), statuses_(static_cast<size_t>(options.connections)) {
  for (size_t i = 0; i < samples_.size(); ++i) {
    threads_.emplace_back([this, i, door, pause = options.pause] { statuses_[i] = Run(door, pause, samples_[i]); });
  }
}

Pings::~Pings() { Join(); }

void Pings::Join() {
  is_stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

absl::Status Pings::Run(const Door& door, Duration pause, std::vector<double>& samples) {
  CULVERT_ASSIGN_OR_RETURN(testing::TcpStream stream, Connect(door));
  stream.SetLimit(kAnswerLimit);
  const std::vector<uint8_t> message(kMessageBytes, 'E');
  std::vector<uint8_t> answer(kMessageBytes);
  bool is_first = true;
  while (!is_stopping_ && !IsInterrupted()) {
    const TimePoint start = MonotonicNow();
    CULVERT_RETURN_IF_ERROR(stream.Write(message));
    CULVERT_RETURN_IF_ERROR(stream.ReadExactly(answer));
    if (answer != message) return absl::DataLossError("the echo is wrong");
    if (!std::exchange(is_first, false)) samples.push_back(MillisecondsSince(start));
    if (const Duration taken = MonotonicNow() - start; taken < pause) (void)SleepUnlessInterrupted(pause - taken);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> Pings::Finish() {
  Join();
  std::vector<double> all;
  for (size_t i = 0; i < samples_.size(); ++i) {
    CULVERT_RETURN_IF_ERROR(statuses_[i]);
    all.insert(all.end(), samples_[i].begin(), samples_[i].end());
  }
  return all;
}

namespace {

absl::StatusOr<double> FirstByte(const Door& door) {
  const TimePoint start = MonotonicNow();
  CULVERT_ASSIGN_OR_RETURN(testing::TcpStream stream, Connect(door));
  stream.SetLimit(Pings::kAnswerLimit);
  const std::vector<uint8_t> request(Pings::kMessageBytes, 'E');
  CULVERT_RETURN_IF_ERROR(stream.Write(request));
  std::vector<uint8_t> first(1);
  CULVERT_RETURN_IF_ERROR(stream.ReadExactly(first));
  return first[0] == request[0] ? absl::StatusOr<double>(MillisecondsSince(start))
                                : absl::DataLossError("the answer is wrong");
}

}  // namespace

absl::StatusOr<std::vector<double>> MeasureFirstBytes(const Door& door, int count, int at_once) {
  std::atomic<int> left{count};
  std::mutex mutex;
  std::vector<double> samples;
  absl::Status status;
  std::vector<std::thread> threads;
  for (int i = 0; i < at_once; ++i) {
    threads.emplace_back([&] {
      while (left-- > 0 && !IsInterrupted()) {
        const absl::StatusOr<double> sample = FirstByte(door);
        const std::lock_guard lock(mutex);
        if (!sample.ok()) {
          status.Update(sample.status());
          left = 0;
        } else {
          samples.push_back(*sample);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (!status.ok()) return status;
  return samples;
}

}  // namespace culvert::bench
