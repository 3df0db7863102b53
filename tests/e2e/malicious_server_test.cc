// culvertctl against a server that means harm (reliability.md T72): streams that never end, pages that never end, messages beyond the
// limit, figures that no clock has. It ends in time, in so much memory, and nothing raw reaches its output.
#include <gtest/gtest.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/io/monotonic_clock.h"
#include "culvert/v1/config.grpc.pb.h"
#include "culvert/v1/daemon.grpc.pb.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "culvert/v1/forward.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "culvert/v1/session.grpc.pb.h"
#include "tests/testing/daemon.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace culvert::testing {
namespace {

using std::chrono::seconds;

constexpr size_t kMostResident = 64 << 20;
const std::string kNasty = "\x1b]0;owned\x07\r\x1b[2J\xc2\x9b" "31m\xe2\x80\xae" "evil";

// Fills every field of a message by what it is: the nastiest value that it can hold.
void FillNasty(google::protobuf::Message& message, int depth = 0) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    if (field->is_map()) continue;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING && field->type() == FieldDescriptor::TYPE_STRING) {
      if (field->is_repeated()) {
        reflection->AddString(&message, field, kNasty);
      } else {
        reflection->SetString(&message, field, kNasty);
      }
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_INT64 && !field->is_repeated()) {
      reflection->SetInt64(&message, field, std::numeric_limits<int64_t>::max());
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64 && !field->is_repeated()) {
      reflection->SetUInt64(&message, field, std::numeric_limits<uint64_t>::max());
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_INT32 && !field->is_repeated()) {
      reflection->SetInt32(&message, field, std::numeric_limits<int32_t>::min());
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM && !field->is_repeated()) {
      reflection->SetEnumValue(&message, field, 77);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE && !field->is_repeated()) {
      reflection->SetDouble(&message, field, std::numeric_limits<double>::quiet_NaN());
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && depth < 6) {
      FillNasty(field->is_repeated() ? *reflection->AddMessage(&message, field) : *reflection->MutableMessage(&message, field), depth + 1);
    }
  }
}

template <typename Response>
Response Nasty() {
  Response response;
  FillNasty(response);
  return response;
}

// Writes the same message until the caller has gone.
template <typename Response>
grpc::Status WriteForEver(grpc::ServerWriter<Response>* writer, const Response& message) {
  while (writer->Write(message)) {
  }
  return grpc::Status::OK;
}

class MaliciousServer final : private v1::ListenerService::Service,
                              private v1::DialerService::Service,
                              private v1::ForwardService::Service,
                              private v1::SessionService::Service,
                              private v1::ObserveService::Service,
                              private v1::ConfigService::Service,
                              private v1::DaemonService::Service {
 public:
  MaliciousServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + path(), grpc::InsecureServerCredentials());
    builder.SetMaxSendMessageSize(-1);
    for (grpc::Service* service : std::initializer_list<grpc::Service*>{
             static_cast<v1::ListenerService::Service*>(this), static_cast<v1::DialerService::Service*>(this),
             static_cast<v1::ForwardService::Service*>(this), static_cast<v1::SessionService::Service*>(this),
             static_cast<v1::ObserveService::Service*>(this), static_cast<v1::ConfigService::Service*>(this),
             static_cast<v1::DaemonService::Service*>(this)}) {
      builder.RegisterService(service);
    }
    server_ = builder.BuildAndStart();
  }
  ~MaliciousServer() override { server_->Shutdown(std::chrono::system_clock::now()); }
  [[nodiscard]] std::string path() const { return folder_.path() + "/c.sock"; }

  // From now on pages are larger than any message may be.
  std::atomic<bool> is_huge{false};
  // How many objects a watch tells of, again and again; it never says that these are all.
  std::atomic<uint64_t> names{std::numeric_limits<uint64_t>::max()};

 private:
  using Ctx = grpc::ServerContext;
  // A page that always has another.
  template <typename Response>
  grpc::Status Page(Response* response) {
    *response = Nasty<Response>();
    response->set_next_page_token("more");
    if (is_huge) response->set_next_page_token(std::string(20 << 20, 'x'));
    return grpc::Status::OK;
  }
  grpc::Status ListListeners(Ctx*, const v1::ListListenersRequest*, v1::ListListenersResponse* response) override { return Page(response); }
  grpc::Status ListDialers(Ctx*, const v1::ListDialersRequest*, v1::ListDialersResponse* response) override { return Page(response); }
  grpc::Status ListForwards(Ctx*, const v1::ListForwardsRequest*, v1::ListForwardsResponse* response) override { return Page(response); }
  grpc::Status ListSessions(Ctx*, const v1::ListSessionsRequest*, v1::ListSessionsResponse* response) override { return Page(response); }
  grpc::Status ListStreams(Ctx*, const v1::ListStreamsRequest*, v1::ListStreamsResponse* response) override { return Page(response); }
  grpc::Status GetListener(Ctx*, const v1::GetListenerRequest*, v1::GetListenerResponse* response) override {
    *response = Nasty<v1::GetListenerResponse>();
    return grpc::Status::OK;
  }
  grpc::Status GetSession(Ctx*, const v1::GetSessionRequest*, v1::GetSessionResponse* response) override {
    *response = Nasty<v1::GetSessionResponse>();
    return grpc::Status::OK;
  }
  grpc::Status GetDaemon(Ctx*, const v1::GetDaemonRequest*, v1::GetDaemonResponse* response) override {
    *response = Nasty<v1::GetDaemonResponse>();
    return grpc::Status::OK;
  }
  grpc::Status GetConfigStatus(Ctx*, const v1::GetConfigStatusRequest*, v1::GetConfigStatusResponse* response) override {
    *response = Nasty<v1::GetConfigStatusResponse>();
    return grpc::Status::OK;
  }
  grpc::Status Export(Ctx*, const v1::ExportRequest*, v1::ExportResponse* response) override {
    *response = Nasty<v1::ExportResponse>();
    return grpc::Status::OK;
  }
  grpc::Status ProbeDialer(Ctx*, const v1::ProbeDialerRequest*, grpc::ServerWriter<v1::ProbeDialerResponse>* writer) override {
    return WriteForEver(writer, Nasty<v1::ProbeDialerResponse>());
  }
  grpc::Status ListEvents(Ctx*, const v1::ListEventsRequest*, grpc::ServerWriter<v1::ListEventsResponse>* writer) override {
    v1::ListEventsResponse message = Nasty<v1::ListEventsResponse>();
    for (int i = 0; i < 1000; ++i) *message.add_events() = message.events(0);
    return WriteForEver(writer, message);
  }
  grpc::Status Watch(Ctx*, const v1::WatchRequest*, grpc::ServerWriter<v1::WatchResponse>* writer) override {
    v1::WatchResponse message;
    FillNasty(*message.mutable_change()->mutable_object()->mutable_listener());
    uint64_t number = 0;
    while (true) {
      message.mutable_change()->mutable_object()->mutable_listener()->mutable_metadata()->set_name("n" + std::to_string(++number % names));
      message.mutable_change()->mutable_object()->mutable_listener()->mutable_metadata()->set_generation(static_cast<int64_t>(number));
      if (!writer->Write(message)) return grpc::Status::OK;
    }
  }
  grpc::Status WatchStats(Ctx*, const v1::WatchStatsRequest*, grpc::ServerWriter<v1::WatchStatsResponse>* writer) override {
    v1::WatchStatsResponse message = Nasty<v1::WatchStatsResponse>();
    for (int i = 0; i < 200; ++i) *message.add_samples() = message.samples(0);
    message.set_end_of_frame(false);  // a frame that never ends
    return WriteForEver(writer, message);
  }
  grpc::Status Tap(Ctx*, const v1::TapRequest*, grpc::ServerWriter<v1::TapResponse>* writer) override {
    v1::TapResponse message;
    FillNasty(*message.mutable_record());
    return WriteForEver(writer, message);
  }
  grpc::Status TailLogs(Ctx*, const v1::TailLogsRequest*, grpc::ServerWriter<v1::TailLogsResponse>* writer) override {
    v1::TailLogsResponse message;
    FillNasty(*message.mutable_record());
    message.mutable_record()->set_message(std::string(1 << 20, 'x'));
    return WriteForEver(writer, message);
  }

  TempDir folder_;
  std::unique_ptr<grpc::Server> server_;
};

bool HasRawControl(const std::string& text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\n') || c == 0x7f) return true;
    if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) return true;
    if (text.compare(i, 3, "\xe2\x80\xae") == 0) return true;
  }
  return false;
}

struct Measured {
  int exit_code = -1;
  size_t most_resident_bytes = 0;
  std::string out_head;
  std::string err;
};

size_t MostResident(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) << 10;
  }
  return 0;
}

Measured RunMeasured(const std::vector<std::string>& arguments, Duration limit) {
  constexpr size_t kHead = 64 << 10;
  const TempDir folder;
  ProcessOptions options;
  options.arguments = arguments;
  options.stdout_file = folder.path() + "/out";
  Measured measured;
  const TimePoint began = io::Now();
  auto process = Process::Start(options);
  if (!process.ok()) return measured;
  std::optional<ExitStatus> status;
  while (!status && io::Now() - began < limit) {
    // What it took at most, as long as it is there to be asked.
    measured.most_resident_bytes = std::max(measured.most_resident_bytes, MostResident(process->pid()));
    status = process->Wait(std::chrono::milliseconds(10));
  }
  if (status) measured.exit_code = status->code;
  std::ifstream out(options.stdout_file);
  measured.out_head.resize(kHead);
  out.read(measured.out_head.data(), kHead);
  measured.out_head.resize(static_cast<size_t>(out.gcount()));
  measured.err = process->Stderr();
  return measured;
}

// A stream is read until the deadline of the request; its end is then no success.
TEST(MaliciousServer, NothingEndlessTakesAllTimeOrMemory) {
  MaliciousServer server;
  for (const std::vector<std::string>& verb : std::vector<std::vector<std::string>>{{"events"},
                                                                                    {"tap"},
                                                                                    {"tap", "-o", "jsonl"},
                                                                                    {"logs"},
                                                                                    {"get", "listeners"},
                                                                                    {"get", "sessions"},
                                                                                    {"get", "streams", "-o", "json"},
                                                                                    {"dial", "far"},
                                                                                    {"check"},
                                                                                    {"status"},
                                                                                    {"why", "ses/x"}}) {
    SCOPED_TRACE(verb.front() + " " + verb.back());
    std::vector<std::string> arguments = {CulvertctlBinary(), "--address", "unix:" + server.path(), "--request-timeout", "2s"};
    arguments.insert(arguments.end(), verb.begin(), verb.end());
    const Measured measured = RunMeasured(arguments, seconds(90));
    EXPECT_NE(measured.exit_code, -1) << "it did not end";
    EXPECT_LE(measured.most_resident_bytes, kMostResident);
    EXPECT_FALSE(HasRawControl(measured.out_head)) << measured.out_head.substr(0, 400);
    EXPECT_FALSE(HasRawControl(measured.err)) << measured.err;
  }
}

// What goes on until it is interrupted takes no more memory for that.
TEST(MaliciousServer, WhatGoesOnDoesNotGrow) {
  MaliciousServer server;
  for (const std::vector<std::string>& verb : std::vector<std::vector<std::string>>{
           {"top"}, {"tap", "-f"}, {"logs", "-f"}, {"events", "-f"}, {"get", "listeners", "-w"}}) {
    SCOPED_TRACE(verb.front());
    std::vector<std::string> arguments = {CulvertctlBinary(), "--address", "unix:" + server.path()};
    arguments.insert(arguments.end(), verb.begin(), verb.end());
    const Measured measured = RunMeasured(arguments, seconds(4));
    EXPECT_LE(measured.most_resident_bytes, kMostResident);
    EXPECT_FALSE(HasRawControl(measured.out_head)) << measured.out_head.substr(0, 400);
  }
}

// A few objects that change without end are no more than these few.
TEST(MaliciousServer, WhatChangesWithoutEndDoesNotGrow) {
  MaliciousServer server;
  server.names = 20;
  for (const char* format : {"wide", "jsonl"}) {
    const Measured measured = RunMeasured({CulvertctlBinary(), "--address", "unix:" + server.path(), "get", "listeners", "-w", "-o", format}, seconds(4));
    EXPECT_EQ(measured.exit_code, -1) << measured.err;  // it goes on
    EXPECT_LE(measured.most_resident_bytes, kMostResident) << format;
    EXPECT_FALSE(HasRawControl(measured.out_head)) << measured.out_head.substr(0, 400);
  }
}

TEST(MaliciousServer, AMessageThatIsTooLargeIsRefused) {
  MaliciousServer server;
  server.is_huge = true;
  const Measured measured = RunMeasured({CulvertctlBinary(), "--address", "unix:" + server.path(), "get", "listeners"}, seconds(90));
  EXPECT_EQ(measured.exit_code, 8) << measured.err;
  EXPECT_LE(measured.most_resident_bytes, kMostResident);
  EXPECT_NE(measured.err.find("error: "), std::string::npos);
}

}  // namespace
}  // namespace culvert::testing
