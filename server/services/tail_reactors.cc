// ObserveService.Tap and TailLogs: what has ended, and what was logged.
#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "server/access/admission.h"
#include "server/log_book.h"
#include "server/services/audit.h"
#include "server/services/observe_service.h"
#include "server/services/tail_stream.h"
#include "server/stats_proto.h"

namespace culvert::server {
namespace {

constexpr int kMaxTaps = 8;
constexpr int kMaxLogReaders = 4;

class TapStream final : public TailStream<v1::TapRequest, v1::TapResponse, v1::TapRecord> {
 public:
  using TailStream::TailStream;

 private:
  void Ask() override {
    supervisor_.ReadEnded(after_, [self = std::static_pointer_cast<TapStream>(shared_from_this())](absl::StatusOr<std::vector<EndedBatch>> batches) {
      if (!batches.ok()) return self->Give(batches.status(), 0);
      self->Take(*batches);
    });
  }

  void Take(const std::vector<EndedBatch>& batches) {
    std::vector<std::shared_ptr<const EndedRecord>> ended;
    uint64_t overwritten = 0;
    after_.clear();
    for (const EndedBatch& batch : batches) {
      std::ranges::copy(batch.records, std::back_inserter(ended));
      overwritten += batch.lost;
      after_.push_back(batch.last);
    }
    std::ranges::stable_sort(ended, {}, [](const auto& record) { return record->ended_at_unix_ns; });
    std::vector<Ptr> records;
    records.reserve(ended.size());
    for (const auto& record : ended) records.push_back(std::make_shared<const v1::TapRecord>(ToProto(*record)));
    Give(std::move(records), overwritten);
  }

  std::vector<uint64_t> after_;  // of each worker; empty: nothing was read yet. One Ask is under way at a time.
};

class LogStream final : public TailStream<v1::TailLogsRequest, v1::TailLogsResponse, v1::LogRecord> {
 public:
  LogStream(Supervisor& supervisor, const v1::TailLogsRequest& request, std::atomic<int>& taken, const LogBook& book)
      : TailStream(supervisor, request, taken), book_(book) {}

 private:
  void Ask() override {
    LogBook::Batch batch = book_.Read(after_);
    after_ = batch.last;
    Give(std::move(batch.lines), batch.lost);
  }
  bool Wants(const v1::LogRecord& line) const override {
    return request_.least_level() == v1::LOG_LEVEL_UNSPECIFIED || line.level() <= request_.least_level();
  }

  const LogBook& book_;
  uint64_t after_ = 0;  // one Ask is under way at a time
};

template <typename Stream, typename Request>
typename std::shared_ptr<Stream> BeginTail(const ServiceContext& context, grpc::CallbackServerContext* call, const Request& request,
                                           std::shared_ptr<Stream> stream, const char* what, int most) {
  stream->KeepAlive(call);
  const absl::StatusOr<Caller> caller = Admit(*context.callers, *call, request);
  absl::Status fault = caller.status();
  if (!caller.ok()) AuditRefusal(*context.callers, *call, request, fault);
  if (fault.ok()) fault = stream->Stand(context, *request.GetDescriptor());
  if (fault.ok()) fault = stream->Prepare(what, most);
  if (caller.ok()) WriteAudit(AuditOf(request), *caller, fault);
  if (fault.ok()) {
    stream->Begin();
  } else {
    stream->End(std::move(fault), /*discard=*/true);
  }
  return stream;
}

}  // namespace

grpc::ServerWriteReactor<v1::TapResponse>* ObserveService::Tap(grpc::CallbackServerContext* call, const v1::TapRequest* request) {
  return BeginTail(context_, call, *request, std::make_shared<TapStream>(*context_.supervisor, *request, context_.supervisor->tail_readers().taps),
                   "Tap streams", kMaxTaps)
      .get();
}

grpc::ServerWriteReactor<v1::TailLogsResponse>* ObserveService::TailLogs(grpc::CallbackServerContext* call,
                                                                         const v1::TailLogsRequest* request) {
  return BeginTail(context_, call, *request,
                   std::make_shared<LogStream>(*context_.supervisor, *request, context_.supervisor->tail_readers().logs, context_.supervisor->logs()),
                   "TailLogs streams", kMaxLogReaders)
      .get();
}

}  // namespace culvert::server
