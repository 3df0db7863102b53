// Files of declared objects, from their text to a plan:
//
//   text → manifest::Parse → objects → MakePlan on an empty table → the same again on the table that comes of it
//                  ↑                                  ↓
//                  └──────── manifest::ToYaml ←───────┘
//
//   folder, text    folder: which one relative names of files are relative to.
//
// What is refused is refused with file, line and field. What is accepted is written and read again as the same objects, and planning
// those once more changes nothing.
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "absl/strings/str_split.h"
#include "core/base/check.h"
#include "core/base/random.h"
#include "google/rpc/error_details.pb.h"
#include "proto/manifest/manifest.h"
#include "server/change_plan.h"
#include "server/error_builder.h"
#include "server/file_objects.h"
#include "server/message_walk.h"
#include "server/quic_identity.h"
#include "tests/fuzz/control_files.h"
#include "tests/fuzz/messages.h"
#include "tests/fuzz/targets.h"

namespace culvert::fuzz {
namespace {

using google::protobuf::util::MessageDifferencer;
using manifest::SourceObject;
using server::ChangePlan;
using server::ChangeResult;
using server::ObjectTable;

constexpr char kFile[] = "f.yaml";
constexpr size_t kMaxFaults = 20;
constexpr int64_t kNow = 1'700'000'000'000'000'000;

// Whether `line` begins with FILE:LINE: of a text of so many lines.
bool NamesLine(const std::string& line, size_t lines) {
  const std::string head = std::string(kFile) + ":";
  if (!line.starts_with(head)) return false;
  size_t number = 0;
  const auto [end, error] = std::from_chars(line.data() + head.size(), line.data() + line.size(), number);
  return error == std::errc() && *end == ':' && number >= 1 && number <= lines;
}

size_t LinesOf(const std::string& text) { return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1; }

void CheckParseError(const absl::Status& error, const std::string& text) {
  CULVERT_CHECK(absl::IsInvalidArgument(error) && IsCleanText(std::string(error.message()), /*lines=*/true));
  const std::vector<std::string> lines = absl::StrSplit(std::string(error.message()), '\n');
  CULVERT_CHECK(lines.size() <= kMaxFaults);
  // yaml-cpp counts a lone carriage return, which ends no line here, and it may end on the line behind the last.
  const size_t most = LinesOf(text) + static_cast<size_t>(std::count(text.begin(), text.end(), '\r')) + 1;
  for (const std::string& line : lines) CULVERT_CHECK(NamesLine(line, most));
}

std::vector<v1::Object> ObjectsOf(const std::vector<SourceObject>& sources) {
  std::vector<v1::Object> objects;
  for (const SourceObject& source : sources) objects.push_back(source.object);
  return objects;
}

std::vector<SourceObject> ReadAgain(const std::string& yaml) {
  absl::StatusOr<std::vector<SourceObject>> again = manifest::Parse(yaml, "again.yaml", "");
  CULVERT_CHECK(again.ok());
  return *std::move(again);
}

// Written and read again the objects are the same, but for their secrets, which are never written.
void CheckWrittenForm(const std::vector<v1::Object>& objects) {
  const std::string yaml = manifest::ToYaml(objects);
  CULVERT_CHECK(yaml.find(kCanary) == std::string::npos);
  const std::vector<v1::Object> again = ObjectsOf(ReadAgain(yaml));
  CULVERT_CHECK(again.size() == objects.size() && manifest::ToYaml(again) == yaml);
  for (size_t i = 0; i < objects.size(); ++i) {
    v1::Object expected = objects[i];
    server::RedactSecrets(expected);
    Require(MessageDifferencer::Equals(expected, again[i]), "another object when it is read again",
            expected.ShortDebugString() + " became " + again[i].ShortDebugString());
  }
}

class Planning {
 public:
  Planning() {
    context_.hash = &hash_;
    context_.random = &random_;
    context_.next_incarnation = &next_incarnation_;
    context_.now_unix_ns = kNow;
    context_.now = TimePoint(std::chrono::seconds(100));
    context_.read_seed_file = ReadFuzzSeedFile;
    context_.read_file = ReadFuzzFile();
    static SeededRandom random(2);
    static const auto identity = *server::QuicIdentity::Create(nullptr, "for the fuzzer", random, kNow / 1'000'000'000);
    context_.quic_shared = identity->shared();
  }
  absl::StatusOr<ChangePlan> Plan(const ObjectTable& table, const std::vector<SourceObject>& sources) {
    return server::MakePlan(table, server::ToChangeSet(sources), context_);
  }

 private:
  SeededRandom random_{1};
  KeyedHash hash_{random_};
  uint64_t next_incarnation_ = 1;
  server::PlanContext context_;
};

// A field of an object of the file, and where that stands.
void CheckPlanError(const absl::Status& error, const std::vector<SourceObject>& sources, size_t lines) {
  const auto info = server::DetailOf<google::rpc::ErrorInfo>(error);
  CULVERT_CHECK(info.domain() == "culvert" && !info.reason().empty() && IsCleanText(std::string(error.message()), /*lines=*/false));
  CULVERT_CHECK(error.message().find(kCanary) == std::string::npos);
  const auto bad_request = server::DetailOf<google::rpc::BadRequest>(error);
  CULVERT_CHECK(absl::IsInvalidArgument(error) == (bad_request.field_violations_size() > 0));
  for (const auto& violation : bad_request.field_violations()) {
    CULVERT_CHECK(violation.field().starts_with("objects[") && IsCleanText(violation.description(), /*lines=*/false));
    const size_t close = violation.field().find(']');
    size_t index = sources.size();
    std::from_chars(violation.field().data() + 8, violation.field().data() + close, index);
    CULVERT_CHECK(index < sources.size());
    const std::string rest = violation.field().substr(close + 1);
    const v1::Object& object = sources[index].object;
    const auto* kind = object.GetReflection()->GetOneofFieldDescriptor(object, object.GetDescriptor()->oneof_decl(0));
    CULVERT_CHECK(rest.starts_with('.') && FieldExists(*kind->message_type(), rest.substr(1)));
  }
  if (!absl::IsInvalidArgument(error) && !info.metadata().contains("field")) return;
  for (const std::string& line : server::ExplainError(error, sources)) {
    CULVERT_CHECK(NamesLine(line, lines) || line.starts_with("and "));
  }
}

void CheckUnchanged(const absl::StatusOr<ChangePlan>& plan, const ObjectTable& table) {
  CULVERT_CHECK(plan.ok() && plan->table.size() == table.size());
  for (const ChangeResult& result : plan->results) {
    CULVERT_CHECK(result.action == ChangeResult::Action::kUnchanged && result.changed_paths.empty() && !result.disruptive);
  }
}

}  // namespace

void Config(ByteView input) {
  ByteReader reader(input);
  static constexpr const char* kFolders[] = {"/etc/culvert", "/", "", "/etc/culvert/"};
  const std::string folder = kFolders[reader.ReadU8() % std::size(kFolders)];
  const std::string text(AsText(reader.ReadBytes(reader.remaining())));
  const absl::StatusOr<std::vector<SourceObject>> parsed = manifest::Parse(text, kFile, folder);
  if (!parsed.ok()) return CheckParseError(parsed.status(), text);
  CheckWrittenForm(ObjectsOf(*parsed));

  Planning planning;
  const ObjectTable nothing;
  const absl::StatusOr<ChangePlan> plan = planning.Plan(nothing, *parsed);
  if (!plan.ok()) return CheckPlanError(plan.status(), *parsed, LinesOf(text) + 1);
  CULVERT_CHECK(plan->results.size() == parsed->size() && plan->table.size() == parsed->size());
  for (const ChangeResult& result : plan->results) CULVERT_CHECK(result.action == ChangeResult::Action::kCreated && result.after != nullptr);
  CheckUnchanged(planning.Plan(plan->table, *parsed), plan->table);
  // What an export of it prints, without secrets, is what the daemon has.
  std::vector<v1::Object> exported;
  for (const auto& [key, entry] : plan->table.entries()) exported.push_back(server::RedactedObject(*entry));
  CheckUnchanged(planning.Plan(plan->table, ReadAgain(manifest::ToYaml(exported))), plan->table);
}

}  // namespace culvert::fuzz
