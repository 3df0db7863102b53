// A thousand hostile requests and files of each kind: all are refused at the field that is wrong, and nothing changes. How long the
// slowest took is printed, not judged (reliability.md T60: a benchmark).
#include <algorithm>
#include <chrono>
#include <iostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "google/rpc/error_details.pb.h"
#include "proto/manifest/manifest.h"
#include "server/file_objects.h"
#include "server/message_walk.h"
#include "server/validate_object.h"
#include "tests/unit/server/control_fixture.h"
#include "tests/unit/server/hostile_objects.h"

namespace culvert::server {
namespace {

using google::protobuf::FieldDescriptor;

constexpr size_t kEnough = 1000;
constexpr size_t kMaxShown = 40;  // of what was not refused as it should
// Ports are 8000 to 8009 and 9000 to 9009.
constexpr int kStanding = 800;
constexpr int kNew = 900;

// Thousands of lines of the audit trail would hide what a test says.
class NoLog final : public LogSink {
 public:
  void Write(LogLevel, std::string_view, std::string_view, std::initializer_list<LogField>) override {}
};

class HostileTest : public ControlFixture, public testing::WithParamInterface<Kind> {
 protected:
  HostileTest() {
    SetLogSink(&no_log_);
    for (const Kind kind : kKinds) {
      if (kind == Kind::kForward) {
        for (const v1::Object& object : ReferredObjects()) Start(object);
      }
      for (const v1::Object& object : ValidObjects(kind, "-old", kStanding)) {
        // Those need files and keys, which this daemon does not have; as requests they are judged all the same.
        const bool needs_files = TlsOf(object) != nullptr || TransportOf(object) == v1::TRANSPORT_QUIC;
        if (!needs_files && kind != Kind::kForward) Start(object);
      }
    }
    Start(ForwardDirect("direct-old", "in"));
    before_ = State();
  }
  ~HostileTest() override {
    std::cout << count_ << " refused, the slowest in " << slowest_us_ << " us\n";
    Stop();
    SetLogSink(nullptr);
  }

  void Start(const v1::Object& object) {
    v1::ApplyRequest request;
    v1::ApplyResponse response;
    *request.add_objects() = object;
    const grpc::Status status = Call<v1::ConfigService>(&v1::ConfigService::Stub::Apply, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    standing_.push_back(object);
  }

  // What Export gives, what is bound, how often a worker was told something, and the revision.
  std::string State() {
    return Await<std::string>([this](const auto& done) {
      const auto none = [](const std::vector<EntryPtr>&) -> absl::StatusOr<Supervisor::Range> { return Supervisor::Range(); };
      supervisor_->List(Kind::kListener, none, [this, done](const absl::StatusOr<Supervisor::Listing>& listing) {
        supervisor_->Export("", [this, done, revision = listing->revision](const absl::StatusOr<std::vector<v1::Object>>& objects) {
          std::string state = std::to_string(revision) + " " + std::to_string(worker_.updates) + " " + std::to_string(binder_.binds);
          for (const std::string& address : binder_.bound) state += " " + address;
          for (const v1::Object& object : *objects) state += "\n" + object.SerializeAsString();
          done(std::move(state));
        });
      });
    });
  }

  // Sends it and expects a violation at `path`.
  template <typename Service, typename Request, typename Response>
  void Refused(grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request,
               const std::string& path, const std::string& why) {
    Response response;
    const auto begin = std::chrono::steady_clock::now();
    const grpc::Status status = Call<Service>(method, request, &response);
    NoteTime(begin);
    ++count_;
    ExpectSame(path, why);
    if (status.error_code() != grpc::INVALID_ARGUMENT) {
      return Note(path, why, "was answered " + std::to_string(status.error_code()) + " " + status.error_message());
    }
    EXPECT_EQ(InfoOf(status).domain(), "culvert");
    google::rpc::Status details;
    details.ParseFromString(status.error_details());
    std::string named;
    for (const auto& detail : details.details()) {
      google::rpc::BadRequest bad_request;
      if (!detail.UnpackTo(&bad_request)) continue;
      for (const auto& violation : bad_request.field_violations()) {
        if (violation.field() == path) return;
        named += " " + violation.field();
      }
    }
    Note(path, why, "was told at" + named + ": " + status.error_message());
  }

  void ExpectSame(const std::string& path, const std::string& why) {
    std::string after = State();
    if (after != before_) Note(path, why, "something changed");
    before_ = std::move(after);  // told once
  }

  void NoteTime(std::chrono::steady_clock::time_point begin) {
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
    slowest_us_ = std::max<int64_t>(slowest_us_, took.count());
  }
  void Note(const std::string& path, const std::string& why, const std::string& what) {
    if (++faults_ <= kMaxShown) ADD_FAILURE() << path << " (" << why << ") " << what;
  }

  void ApplyRefused(const std::vector<v1::Object>& objects, const std::string& path, const std::string& why) {
    v1::ApplyRequest request;
    for (const v1::Object& object : objects) *request.add_objects() = object;
    return Refused<v1::ConfigService>(&v1::ConfigService::Stub::Apply, request, path, why);
  }
  void CreateRefused(const v1::Object& object, const std::string& path, const std::string& why) {
    if (object.has_listener()) {
      v1::CreateListenerRequest request;
      *request.mutable_listener() = object.listener();
      return Refused<v1::ListenerService>(&v1::ListenerService::Stub::CreateListener, request, path, why);
    }
    if (object.has_dialer()) {
      v1::CreateDialerRequest request;
      *request.mutable_dialer() = object.dialer();
      return Refused<v1::DialerService>(&v1::DialerService::Stub::CreateDialer, request, path, why);
    }
    v1::CreateForwardRequest request;
    *request.mutable_forward() = object.forward();
    return Refused<v1::ForwardService>(&v1::ForwardService::Stub::CreateForward, request, path, why);
  }
  void UpdateRefused(const v1::Object& object, const std::string& mask, const std::string& path, const std::string& why) {
    if (object.has_listener()) {
      v1::UpdateListenerRequest request;
      *request.mutable_listener() = object.listener();
      request.mutable_update_mask()->add_paths(mask);
      return Refused<v1::ListenerService>(&v1::ListenerService::Stub::UpdateListener, request, path, why);
    }
    if (object.has_dialer()) {
      v1::UpdateDialerRequest request;
      *request.mutable_dialer() = object.dialer();
      request.mutable_update_mask()->add_paths(mask);
      return Refused<v1::DialerService>(&v1::DialerService::Stub::UpdateDialer, request, path, why);
    }
    v1::UpdateForwardRequest request;
    *request.mutable_forward() = object.forward();
    request.mutable_update_mask()->add_paths(mask);
    return Refused<v1::ForwardService>(&v1::ForwardService::Stub::UpdateForward, request, path, why);
  }

  std::vector<v1::Object> standing_;
  std::string before_;
  NoLog no_log_;
  size_t count_ = 0;
  size_t faults_ = 0;
  int64_t slowest_us_ = 0;
};

// The only fault of a variant is its own.
void ExpectValid(const v1::Object& object) {
  Violations violations;
  std::vector<v1::Warning> warnings;
  ValidateObject(object, "", violations, warnings);
  EXPECT_TRUE(violations.empty()) << violations.front().path << ": " << violations.front().description;
}

TEST_P(HostileTest, Creates) {
  for (const v1::Object& valid : ValidObjects(GetParam(), "-new", kNew)) {
    ExpectValid(valid);
    for (const Hostile& hostile : HostileVariants(valid)) {
      CreateRefused(hostile.object, hostile.path, hostile.why);
    }
  }
  EXPECT_GE(count_, kEnough);
}

// Behind an object that is right, which must not come into force alone.
TEST_P(HostileTest, Applies) {
  const v1::Object companion = TcpListener("companion", "127.0.0.1:7999");
  for (const v1::Object& valid : ValidObjects(GetParam(), "-new", kNew)) {
    for (const Hostile& hostile : HostileVariants(valid)) {
      const std::string path = "objects[1]." + hostile.path;
      ApplyRefused({companion, hostile.object}, path, hostile.why);
    }
  }
  EXPECT_GE(count_, kEnough);
}

TEST_P(HostileTest, Updates) {
  bool has_tried_masks = false;  // which depend on the kind alone
  for (const v1::Object& valid : standing_) {
    if (KindOf(valid) != GetParam()) continue;
    for (const Hostile& hostile : HostileVariants(valid)) {
      if (hostile.path == "metadata.name") continue;  // then it is about another object, which does not exist
      UpdateRefused(hostile.object, "*", hostile.path, hostile.why);
    }
    if (std::exchange(has_tried_masks, true)) continue;
    for (const FieldAt& at : AllFields(*BodyOf(valid).GetDescriptor())) {
      const bool is_readable = at.path.starts_with("status") || RulesOf(*at.field).output_only();
      const std::string& p = at.path;
      for (const std::string& mask : {p + "x", p + ".", p + "..x", "x." + p, "." + p, is_readable ? p : p + ".*", p + " ", " " + p, p + "," + p, "\"" + p + "\"",
                                      p + "[0]", p + std::string(1, '\0'), "\x1b[2J" + p, absl::AsciiStrToUpper(p), p + "/" + p}) {
        UpdateRefused(valid, mask, "update_mask", mask);
      }
    }
  }
  EXPECT_GE(count_, kEnough);
}

TEST_P(HostileTest, ChangesOfWhatIsSettled) {
  for (const v1::Object& valid : standing_) {
    if (KindOf(valid) != GetParam()) continue;
    v1::Object other = valid;
    const v1::Transport transport = TransportOf(valid) == v1::TRANSPORT_TCP ? v1::TRANSPORT_UDP : v1::TRANSPORT_TCP;
    // What only the old transport has would be the first to be wrong.
    const bool has_own = KcpOf(valid) != nullptr || valid.listener().spec().has_udp() || valid.listener().spec().protocol() != 0;
    if (valid.has_listener()) {
      other.mutable_listener()->mutable_spec()->set_bind("127.0.0.1:10000");
      UpdateRefused(other, "spec.bind", "spec.bind", "settled");
      other.mutable_listener()->mutable_spec()->set_transport(transport);
      if (!has_own) UpdateRefused(other, "spec.transport", "spec.transport", "settled");
    } else if (valid.has_dialer()) {
      other.mutable_dialer()->mutable_spec()->set_transport(transport);
      if (!has_own) UpdateRefused(other, "spec.transport", "spec.transport", "settled");
    } else {
      other.mutable_forward()->mutable_spec()->set_listener("nowhere");
      UpdateRefused(other, "spec.listener", "spec.listener", "nowhere");
    }
  }
}

// --- Lists ------------------------------------------------------------------------------------------------------------

// What is wrong with every field, and with this one.
std::vector<std::string> WrongFilters(const FieldAt& at) {
  const std::string& p = at.path;
  std::vector<std::string> filters = {p + "=",           p,          p + "~1",           "(" + p + ":*",           p + ":*)",  p + ":* AND",
                                      p + ":* OR",       "NOT",      p + ":* " + p + ":*", p + ":* AND x:* OR x:*", p + "q:*", p + "=\"open",
                                      "nothing." + p + ":*", p + "==(",  "AND " + p + ":*",    "\x1b[2J" + p + ":*",    p + ".:x:(", "\"" + p};
  if (at.field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) filters.insert(filters.end(), {p + "=NOPE", p + "<ACTIVE", p + "=77"});
  if (at.field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) filters.insert(filters.end(), {p + "=maybe", p + "<true", p + "=1"});
  const bool is_number = at.field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE && at.field->cpp_type() != FieldDescriptor::CPPTYPE_STRING &&
                         at.field->cpp_type() != FieldDescriptor::CPPTYPE_ENUM && at.field->cpp_type() != FieldDescriptor::CPPTYPE_BOOL;
  if (is_number) filters.insert(filters.end(), {p + "=abc", p + ">1Q", p + "=nan", p + "<inf", p + "=0x10", p + "=1 2"});
  return filters;
}

TEST_P(HostileTest, Lists) {
  const auto refused = [this](const auto& fill, const std::string& path, const std::string& why) {
    if (GetParam() == Kind::kListener) {
      v1::ListListenersRequest request;
      fill(request);
      return Refused<v1::ListenerService>(&v1::ListenerService::Stub::ListListeners, request, path, why);
    }
    if (GetParam() == Kind::kDialer) {
      v1::ListDialersRequest request;
      fill(request);
      return Refused<v1::DialerService>(&v1::DialerService::Stub::ListDialers, request, path, why);
    }
    v1::ListForwardsRequest request;
    fill(request);
    return Refused<v1::ForwardService>(&v1::ForwardService::Stub::ListForwards, request, path, why);
  };
  const v1::Object any = ValidObjects(GetParam(), "", kNew).front();
  for (const FieldAt& at : AllFields(*BodyOf(any).GetDescriptor())) {
    for (const std::string& filter : WrongFilters(at)) {
      refused([&](auto& request) { request.set_filter(filter); }, "filter", filter);
    }
    if (RulesOf(*at.field).secret()) {
      refused([&](auto& request) { request.set_filter(at.path + ":*"); }, "filter", "a secret");
      refused([&](auto& request) { request.set_order_by(at.path); }, "order_by", "a secret");
    }
    for (const std::string& order : {at.path + " sideways", at.path + ",", "," + at.path, at.path + " desc desc", at.path + "q", at.path + ".q"}) {
      // Behind the point of a map stands any key; no map is a value to order by.
      refused([&](auto& request) { request.set_order_by(order); }, "order_by", order);
    }
    for (const std::string& mask : {at.path + ".", "." + at.path, at.path + "q", at.path + ".*", "*." + at.path, at.path + "[0]"}) {
      refused([&](auto& request) { request.mutable_read_mask()->add_paths(mask); }, "read_mask", mask);
    }
  }
  refused([](auto& request) { request.set_page_size(-1); }, "page_size", "below nothing");
  refused([](auto& request) { request.set_page_token("made up"); }, "page_token", "made up");
  EXPECT_GE(count_, kEnough);
}

// --- Files ------------------------------------------------------------------------------------------------------------

// The same faults in a file: told with its name, the line and the field. The daemon goes on with what it has.
TEST_P(HostileTest, Files) {
  for (const v1::Object& valid : ValidObjects(GetParam(), "-new", kNew)) {
    for (const Hostile& hostile : HostileVariants(valid)) {
      if (!hostile.in_files) continue;
      const std::string text = "# one line before it\n" + manifest::ToYaml(hostile.object);
      const auto begin = std::chrono::steady_clock::now();
      const auto parsed = manifest::Parse(text, "f.yaml", "/etc/culvert");
      ++count_;
      std::string told;
      std::string where = "f.yaml:";
      if (parsed.ok()) {
        where = (*parsed)[0].Where(hostile.path) + ":";
        const auto outcome = Await<absl::StatusOr<Supervisor::ChangeOutcome>>(
            [&](auto done) { supervisor_->Change(ToChangeSet(*parsed), /*validate_only=*/false, done); });
        for (const std::string& line : ExplainError(outcome.status(), *parsed)) told += line + "\n";
      } else {
        told = std::string(parsed.status().message());
      }
      NoteTime(begin);
      bool is_told = false;
      for (size_t at = told.find(where); at != std::string::npos; at = told.find(where, at + 1)) {
        is_told |= told.substr(at, told.find('\n', at) - at).find(" " + hostile.path + ":") != std::string::npos;
      }
      if (!is_told) Note(hostile.path, hostile.why, "wanted at " + where + ", was told " + told);
      ExpectSame(hostile.path, hostile.why);
    }
  }
  EXPECT_GE(count_, kEnough);
}

INSTANTIATE_TEST_SUITE_P(Kinds, HostileTest, testing::ValuesIn(kKinds), [](const auto& one) { return std::string(KindInfo(one.param).type_name); });

}  // namespace
}  // namespace culvert::server
