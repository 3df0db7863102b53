// culvertctl call: any method of the API, with its request as JSON.
#include <memory>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "cli/changes/mutation.h"
#include "cli/command.h"
#include "cli/objects/generic_call.h"
#include "cli/process/private_file.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/text/printer.h"
#include "google/protobuf/util/json_util.h"
#include "proto/manifest/schema.h"
#include "proto/manifest/suggest.h"

namespace culvert::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr size_t kMaxBytes = size_t{4} << 20;  // what the daemon takes

// The message at "listener.spec" below `message`; nullptr when there is none.
const Descriptor* At(const Descriptor* message, const std::string& path) {
  const std::vector<std::string> names = absl::StrSplit(path, '.', absl::SkipEmpty());
  for (const std::string& name : names) {
    const FieldDescriptor* field = message == nullptr ? nullptr : manifest::FindField(message, name.substr(0, name.find('[')));
    message = field == nullptr ? nullptr : field->message_type();
  }
  return message;
}

// What json_util says, "(listener.spec) bnd: Cannot find field.", in our words.
std::string InOurWords(std::string message, const Descriptor* request) {
  message = message.substr(0, message.find('\n'));
  constexpr char kNoField[] = ": Cannot find field.";
  if (!absl::EndsWith(message, kNoField)) return message.empty() ? "is no JSON" : Visible(message.substr(0, 300));
  message.resize(message.size() - (sizeof kNoField - 1));
  const size_t close = absl::StartsWith(message, "(") ? message.find(") ") : std::string::npos;
  const std::string path = close == std::string::npos ? "" : message.substr(1, close - 1);
  const std::string name = close == std::string::npos ? message : message.substr(close + 2);
  const Descriptor* owner = At(request, path);
  return absl::StrFormat("%s%s: unknown field%s", Visible(path.empty() ? "" : path + "."), Visible(name.substr(0, 80)),
                         owner == nullptr ? "" : manifest::DidYouMean(name, manifest::FieldNames(owner)));
}

class Call : public Command {
 public:
  std::string name;
  std::string data;
  bool list = false;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kJson, Format::kJsonLines}}; }

  Outcome Validate(const Globals& globals) override {
    if (list) {
      if (globals.format != Format::kTable) return Usage("call --list prints a table", "culvertctl call --help");
      return name.empty() ? std::nullopt : Usage("--list: takes no method", "culvertctl call --list");
    }
    if (name.empty()) return Usage("a method is wanted", "culvertctl call --list");
    auto found = FindMethod(name);
    if (!found.ok()) return Usage(std::string(found.status().message()), "culvertctl call --list");
    method_ = *found;
    if (method_.method->client_streaming()) {
      return Usage(absl::StrFormat("%s takes a stream of requests, which call has not", method_.name), "culvertctl connect --help");
    }
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    if (list) return List(context);
    std::string json;
    if (Outcome failed = ReadData(context, json)) return failed;
    const std::unique_ptr<google::protobuf::Message> request(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(method_.method->input_type())->New());
    const auto status = google::protobuf::util::JsonStringToMessage(json, request.get());
    if (!status.ok()) {
      return Usage("-d: " + InOurWords(status.message().ToString(), method_.method->input_type()), "culvertctl call --list");
    }
    // What is audited changes something, or lets others be looked at.
    if (method_.rules().audited()) {
      if (Outcome failed = BeginMutation(context, {.question = "call " + method_.name})) return failed;
    }
    const bool on_one_line =
        context.globals.format == Format::kJsonLines || (context.globals.format == Format::kTable && method_.IsServerStreaming());
    std::ostream& out = context.streams.out;
    return CallGeneric(context.client, method_, *request, [&](const google::protobuf::Message& response) {
      if (on_one_line) {
        out << ToJsonLine(response) << "\n";
      } else {
        out << ToJson(response);
      }
      out.flush();
      return static_cast<bool>(out);
    });
  }

 private:
  Outcome ReadData(Context& context, std::string& json) const {
    if (data.empty()) {
      json = "{}";
    } else if (data == "-" || data == "@-") {
      std::ostringstream all;
      all << context.streams.in.rdbuf();
      json = std::move(all).str();
    } else if (data[0] == '@') {
      if (Outcome failed = ReadPublicFile(data.substr(1), "-d", json)) return failed;
    } else {
      json = data;
    }
    if (json.size() > kMaxBytes) return Usage("-d: is larger than 4 MiB");
    return std::nullopt;
  }

  static Outcome List(Context& context) {
    Table table({"METHOD", "REQUEST", "RESPONSE"});
    for (const ApiMethod& one : ApiMethods()) {
      const char* in = one.method->client_streaming() ? "stream " : "";
      const char* out = one.IsServerStreaming() ? "stream " : "";
      table.Add({one.name, in + one.method->input_type()->name(), out + one.method->output_type()->name()});
    }
    table.Print(context.streams.out, {!context.globals.no_headers, context.streams.color});
    return std::nullopt;
  }

  ApiMethod method_;
};

}  // namespace

Verb AddCall(CLI::App& root) {
  auto command = std::make_unique<Call>();
  CLI::App* app = AddVerb(root, "call", "Calls any method of the API, with its request as JSON.",
                          "culvertctl call --list\n"
                          "culvertctl call DaemonService/GetDaemon\n"
                          "culvertctl call ListenerService/GetListener -d '{\"name\": \"local-pg\"}'\n"
                          "culvertctl call ObserveService/Watch -d '{\"kinds\": [\"Session\"]}' -o jsonl");
  app->add_option("method", command->name, "SERVICE/METHOD");
  app->add_option("-d,--data", command->data, "the request as JSON, @FILE, or - for standard input ({})");
  app->add_flag("--list", command->list, "the methods there are");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
