#include "server/error_builder.h"

#include <string_view>
#include <utility>

#include "absl/strings/cord.h"
#include "core/base/log.h"
#include "google/protobuf/util/time_util.h"
#include "proto/manifest/utf8.h"

namespace culvert::server {
namespace {

template <typename T>
void Attach(absl::Status& status, const T& detail) {
  status.SetPayload("type.googleapis.com/" + std::string(T::descriptor()->full_name()),
                    absl::Cord(detail.SerializeAsString()));
}

// `text` without what may not stand in a line of an error. As long as before, so that a caret below it keeps its place.
std::string OneLine(std::string text) {
  for (size_t at = 0; at < text.size();) {
    const manifest::CodePoint point = manifest::DecodeUtf8(std::string_view(text).substr(at));
    const size_t length = point.length == 0 ? 1 : point.length;
    if (point.length == 0 || manifest::IsUnsafeToPrint(point.value)) text.replace(at, length, length, '?');
    at += length;
  }
  return text;
}

// At most `size` bytes of it, which end with a whole letter.
void Shorten(std::string& text, size_t size) {
  constexpr unsigned kContinuationMask = 0xc0;  // RFC 3629 section 3
  constexpr unsigned kContinuation = 0x80;
  if (text.size() <= size) return;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & kContinuationMask) == kContinuation) --size;
  text.resize(size);
}

// Metadata is for programs: a kind and a name each in a key of its own.
ErrorBuilder ForObject(absl::StatusCode code, std::string reason, const ObjectKey& key, const std::string& problem) {
  ErrorBuilder error(code, std::move(reason), key.ToString() + ": " + problem);
  error.Metadata("kind", KindInfo(key.kind).singular).Metadata("name", key.name);
  return error;
}

}  // namespace

ErrorBuilder::ErrorBuilder(absl::StatusCode code, std::string reason, std::string message)
    : code_(code), message_(OneLine(std::move(message))) {
  if (message_.size() > kMaxErrorMessageBytes) {
    Shorten(message_, kMaxErrorMessageBytes - 3);
    message_ += "...";
  }
  info_.set_reason(std::move(reason));
  info_.set_domain(kErrorDomain);
  used_bytes_ = message_.size() + info_.ByteSizeLong();
}

ErrorBuilder& ErrorBuilder::Below(const std::string& lines) {
  if (message_.size() + 1 + lines.size() > kMaxErrorMessageBytes || !Fits(1 + lines.size())) return *this;
  message_ += "\n" + lines;
  return *this;
}

bool ErrorBuilder::Fits(size_t size) {
  if (used_bytes_ + size > kMaxErrorBytes) {
    ++omitted_;
    return false;
  }
  used_bytes_ += size;
  return true;
}

ErrorBuilder& ErrorBuilder::Metadata(const std::string& key, std::string value) {
  if (Fits(key.size() + value.size() + 8)) (*info_.mutable_metadata())[key] = std::move(value);
  return *this;
}

ErrorBuilder& ErrorBuilder::Field(std::string path, std::string description) {
  if (!Fits(path.size() + description.size() + 8)) return *this;
  auto* violation = bad_request_.add_field_violations();
  violation->set_field(std::move(path));
  violation->set_description(OneLine(std::move(description)));
  return *this;
}

ErrorBuilder& ErrorBuilder::Precondition(std::string type, std::string subject, std::string description) {
  if (!Fits(type.size() + subject.size() + description.size() + 8)) return *this;
  auto* violation = precondition_.add_violations();
  violation->set_type(std::move(type));
  violation->set_subject(std::move(subject));
  violation->set_description(OneLine(std::move(description)));
  return *this;
}

ErrorBuilder& ErrorBuilder::Resource(std::string type, std::string name, std::string description) {
  if (!Fits(type.size() + name.size() + description.size() + 8)) return *this;
  resource_.set_resource_type(std::move(type));
  resource_.set_resource_name(std::move(name));
  resource_.set_description(OneLine(std::move(description)));
  return *this;
}

ErrorBuilder& ErrorBuilder::Quota(std::string subject, std::string description) {
  if (!Fits(subject.size() + description.size() + 8)) return *this;
  auto* violation = quota_.add_violations();
  violation->set_subject(std::move(subject));
  violation->set_description(OneLine(std::move(description)));
  return *this;
}

ErrorBuilder& ErrorBuilder::RetryAfter(Duration delay) {
  *retry_.mutable_retry_delay() = google::protobuf::util::TimeUtil::NanosecondsToDuration(delay.count());
  return *this;
}

absl::Status ErrorBuilder::Build() {
  if (omitted_ > 0) (*info_.mutable_metadata())["omitted"] = std::to_string(omitted_);
  absl::Status status(code_, message_);
  Attach(status, info_);
  if (bad_request_.field_violations_size() > 0) Attach(status, bad_request_);
  if (precondition_.violations_size() > 0) Attach(status, precondition_);
  if (!resource_.resource_name().empty()) Attach(status, resource_);
  if (quota_.violations_size() > 0) Attach(status, quota_);
  if (retry_.has_retry_delay()) Attach(status, retry_);
  return status;
}

absl::Status InvalidFields(const Violations& violations) {
  std::string message = violations.front().path + ": " + violations.front().description;
  if (violations.size() > 1) message += " (and " + std::to_string(violations.size() - 1) + " more)";
  ErrorBuilder error(absl::StatusCode::kInvalidArgument, violations.front().reason, std::move(message));
  error.Metadata("field", violations.front().path);
  for (const Violation& violation : violations) error.Field(violation.path, violation.description);
  return error.Build();
}

absl::Status InvalidField(std::string path, std::string description) {
  return InvalidFields({Violation{std::move(path), std::move(description)}});
}

absl::Status NotFound(const ObjectKey& key) {
  return ForObject(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND", key, "does not exist")
      .Resource(KindInfo(key.kind).singular, key.name, "does not exist")
      .Build();
}

absl::Status SessionNotFound(const std::string& name) { return ObservedNotFound("session", name); }

absl::Status ObservedNotFound(const std::string& kind, const std::string& name) {
  return ErrorBuilder(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND", kind + "/" + name + ": does not exist, or ended")
      .Metadata("kind", kind)
      .Metadata("name", name)
      .Resource(kind, name, "does not exist, or ended")
      .Build();
}

absl::Status AlreadyExists(const ObjectKey& key) {
  return ForObject(absl::StatusCode::kAlreadyExists, "RESOURCE_EXISTS", key, "exists already")
      .Resource(KindInfo(key.kind).singular, key.name, "exists already")
      .Build();
}

absl::Status EtagMismatch(const ObjectKey& key, const std::string& current_etag) {
  return ForObject(absl::StatusCode::kAborted, "ETAG_MISMATCH", key, "was changed in the meantime: read it and try again")
      .Metadata("current_etag", current_etag)
      .Build();
}

absl::Status ManagedByOther(const std::vector<ObjectKey>& keys, const std::string& manager) {
  ErrorBuilder error = ForObject(absl::StatusCode::kFailedPrecondition, "MANAGED_BY_OTHER", keys.front(),
                                 "belongs to manager \"" + manager + "\": change it there");
  error.Metadata("manager", manager);
  for (const ObjectKey& key : keys) error.Precondition("MANAGER", key.ToString(), "belongs to manager \"" + manager + "\"");
  return error.Build();
}

absl::Status ResourceInUse(const ObjectKey& key, const std::vector<ObjectKey>& referrers) {
  std::string users;
  for (const ObjectKey& referrer : referrers) users += (users.empty() ? "" : ", ") + referrer.ToString();
  ErrorBuilder error =
      ForObject(absl::StatusCode::kFailedPrecondition, "RESOURCE_IN_USE", key, "is used by " + users);
  for (const ObjectKey& referrer : referrers) error.Precondition("REFERENCE", referrer.ToString(), "refers to " + key.ToString());
  return error.Build();
}

absl::Status LimitExceeded(const std::string& subject, size_t limit) {
  const std::string text = "at most " + std::to_string(limit) + " " + subject + " at a time";
  return ErrorBuilder(absl::StatusCode::kResourceExhausted, "LIMIT_EXCEEDED", text)
      .Metadata("subject", subject)
      .Metadata("limit", std::to_string(limit))
      .Quota(subject, text)
      .Build();
}

absl::Status StateNotWritable(absl::StatusCode code, const std::string& path, const std::string& description) {
  return ErrorBuilder(code, "STATE_NOT_WRITABLE", "what is declared cannot be stored now: " + description)
      .Metadata("path", path)
      .Precondition("FILE", path, description)
      .Build();
}

absl::Status DaemonStopping() {
  return ErrorBuilder(absl::StatusCode::kUnavailable, "DAEMON_STOPPING", "the daemon is stopping")
      .RetryAfter(std::chrono::seconds(1))
      .Build();
}

absl::Status DaemonDraining() {
  return ErrorBuilder(absl::StatusCode::kFailedPrecondition, "DAEMON_DRAINING", "the daemon is draining and takes nothing new").Build();
}

absl::Status ControlOverloaded() {
  return ErrorBuilder(absl::StatusCode::kUnavailable, "CONTROL_OVERLOADED", "too many control requests are waiting")
      .RetryAfter(std::chrono::milliseconds(200))
      .Build();
}

absl::Status CallTimedOut() {
  return ErrorBuilder(absl::StatusCode::kDeadlineExceeded, "CALL_TIMED_OUT",
                      "the daemon did not finish this in time; it may still do so")
      .RetryAfter(std::chrono::seconds(1))
      .Build();
}

absl::Status RequestUnderWay(const std::string& request_id) {
  return ErrorBuilder(absl::StatusCode::kAborted, "REQUEST_UNDER_WAY", "request " + request_id + " is being done already")
      .Metadata("request_id", request_id)
      .RetryAfter(std::chrono::milliseconds(200))
      .Build();
}

absl::Status InternalError(std::string what) {
  Log(LogLevel::kError, "control", "internal error", {{"err.message", std::move(what)}});
  return ErrorBuilder(absl::StatusCode::kInternal, "INTERNAL", "internal error: see the daemon's log").Build();
}

std::string ReasonOf(const absl::Status& status) { return DetailOf<google::rpc::ErrorInfo>(status).reason(); }

}  // namespace culvert::server
