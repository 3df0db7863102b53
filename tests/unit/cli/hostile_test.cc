// T70: a daemon that answers with texts made to deceive a terminal, in every field that holds text, to every command that shows
// something. What reaches a person holds no raw control, whatever the command and the format.
#include <cstdio>
#include <random>

#include "google/protobuf/message.h"
#include "gtest/gtest.h"
#include "proto/manifest/utf8.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Of each kind one, then mixtures of them and of what is harmless, always the same ones.
std::vector<std::string> HostileTexts() {
  std::vector<std::string> atoms = {
      "\x1b[2J", "\x1b]0;owned\x07", "\x1b]8;;http://x\x1b\\", "\x1bP1$r\x1b\\", "\x1b[?1049h", "\x1b(0",      // ESC
      "\r", "\r\n", "\nerror: forged", "\t", "\b\b\b", "\a", "\f", "\v", "\x0e", "\x7f", std::string(1, '\0'),  // C0
      "\u0080", "\u0085", "\u008d", "\u0090", "\u009b2J", "\u009d0;x\u009c", "\u009f",                          // C1
      "\u202a", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069", "\u200e", "\u200f", "\u061c",                 // bidirectional
      "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u2028", "\u2029", "\u00ad", "\U000e0041",             // zero width and tags
  };
  std::vector<std::string> texts = atoms;
  for (const char* harmless : {"a", "%s", "\"", "\\", "'", "<none>", "東京", "e\u0301", "\U0001F680", ":", "#", "- ", "{{}}", "..", "/"}) {
    atoms.emplace_back(harmless);
  }
  std::mt19937 random(70);  // the same texts in every run
  while (texts.size() < 1000) {
    std::string text;
    for (size_t parts = 1 + random() % 6; parts > 0; --parts) text += atoms[random() % atoms.size()];
    texts.push_back(std::move(text));
  }
  return texts;
}

class Filler {
 public:
  explicit Filler(const std::vector<std::string>& texts) : texts_(texts) {}

  // Every field, `depth` messages deep; lists and maps get one element.
  void Fill(Message& message, int depth = 6) {
    const Reflection& reflection = *message.GetReflection();
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor* field = message.GetDescriptor()->field(i);
      if (field->real_containing_oneof() != nullptr && reflection.HasOneof(message, field->real_containing_oneof())) continue;
      FillField(message, field, depth);
    }
  }
  const std::string& Next() { return texts_[at_++ % texts_.size()]; }

 private:
  void FillField(Message& message, const FieldDescriptor* field, int depth) {
    const Reflection& reflection = *message.GetReflection();
    const bool repeated = field->is_repeated();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        // proto3 texts are UTF-8, or neither side would send them.
        return repeated ? reflection.AddString(&message, field, Next()) : reflection.SetString(&message, field, Next());
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (depth > 0) Fill(repeated ? *reflection.AddMessage(&message, field) : *reflection.MutableMessage(&message, field), depth - 1);
        return;
      case FieldDescriptor::CPPTYPE_ENUM: {
        // One that we know and, now and then, one that we do not.
        const int value = at_ % 7 == 0 ? 1000 : field->enum_type()->value(field->enum_type()->value_count() - 1)->number();
        return repeated ? reflection.AddEnumValue(&message, field, value) : reflection.SetEnumValue(&message, field, value);
      }
      case FieldDescriptor::CPPTYPE_BOOL:
        return repeated ? reflection.AddBool(&message, field, true) : reflection.SetBool(&message, field, true);
      case FieldDescriptor::CPPTYPE_UINT64:
        return repeated ? reflection.AddUInt64(&message, field, 5000) : reflection.SetUInt64(&message, field, 5000);
      case FieldDescriptor::CPPTYPE_INT64:
        return repeated ? reflection.AddInt64(&message, field, 50) : reflection.SetInt64(&message, field, 50);
      case FieldDescriptor::CPPTYPE_UINT32:
        return repeated ? reflection.AddUInt32(&message, field, 3) : reflection.SetUInt32(&message, field, 3);
      case FieldDescriptor::CPPTYPE_INT32:
        return repeated ? reflection.AddInt32(&message, field, 3) : reflection.SetInt32(&message, field, 3);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return repeated ? reflection.AddDouble(&message, field, 0.5) : reflection.SetDouble(&message, field, 0.5);
      case FieldDescriptor::CPPTYPE_FLOAT:
        return repeated ? reflection.AddFloat(&message, field, 0.5f) : reflection.SetFloat(&message, field, 0.5f);
    }
  }

  const std::vector<std::string>& texts_;
  size_t at_ = 0;
};

// Written down once more, so that what the program takes for harmless is not taken for it here.
bool MayBePrinted(char32_t value) {
  constexpr std::pair<char32_t, char32_t> kNever[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},      {0x200b, 0x200f},
                                                      {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xe0000, 0xe007f}};
  for (const auto& [first, last] : kNever) {
    if (value >= first && value <= last) return false;
  }
  return true;
}

// The first thing in `text` that must not be there; empty: nothing. Ends of lines are the command's own, colours too when it paints.
std::string RawControlIn(std::string_view text, bool may_paint) {
  while (!text.empty()) {
    if (may_paint && text.starts_with("\x1b[")) {
      const size_t end = text.find_first_not_of("0123456789", 2);
      if (end != std::string_view::npos && text[end] == 'm') {
        text.remove_prefix(end + 1);
        continue;
      }
    }
    const manifest::CodePoint point = manifest::DecodeUtf8(text);
    if (point.length == 0) return "a byte that is no UTF-8";
    if (point.value != U'\n' && !MayBePrinted(point.value)) {
      char name[16];
      std::snprintf(name, sizeof(name), "U+%04X", static_cast<unsigned>(point.value));
      return name;
    }
    text.remove_prefix(point.length);
  }
  return "";
}

constexpr size_t kObjects = 12;  // of each kind: some hundred texts each

class HostileTest : public testing::Test {
 protected:
  HostileTest() : texts_(HostileTexts()), filler_(texts_) {
    for (size_t i = 0; i < kObjects; ++i) {
      filler_.Fill(daemon_.listeners.emplace_back());
      filler_.Fill(daemon_.dialers.emplace_back());
      filler_.Fill(daemon_.forwards.emplace_back());
      filler_.Fill(daemon_.sessions.emplace_back());
      filler_.Fill(daemon_.streams.emplace_back());
      filler_.Fill(daemon_.flows.emplace_back());
      filler_.Fill(daemon_.events.emplace_back());
      filler_.Fill(daemon_.probe_steps.emplace_back());
      filler_.Fill(*daemon_.taps.emplace_back().mutable_record());
      filler_.Fill(*daemon_.logs.emplace_back().mutable_record());
    }
    // A name that can be asked for.
    daemon_.listeners[0].mutable_metadata()->set_name("a");
    daemon_.dialers[0].mutable_metadata()->set_name("a");
    daemon_.forwards[0].mutable_metadata()->set_name("a");
    daemon_.sessions[0].set_name("sessions/a");
    filler_.Fill(daemon_.daemon);
    filler_.Fill(daemon_.config_status);
    for (int frames = 0; frames < 2; ++frames) {
      v1::WatchStatsResponse& frame = daemon_.stats.emplace_back();
      for (size_t i = 0; i < kObjects; ++i) filler_.Fill(frame);
      frame.mutable_monotonic_time()->set_seconds(10 + frames);
      frame.set_end_of_frame(true);
    }
    daemon_.on_watch = [this](const v1::WatchRequest&, FakeDaemon::WatchWriter& writer) {
      for (size_t i = 0; i < kObjects; ++i) {
        v1::WatchResponse change;
        filler_.Fill(*change.mutable_change()->mutable_session());
        writer.Write(change);
      }
      v1::WatchResponse bookmark;
      bookmark.mutable_bookmark()->set_snapshot_complete(true);
      writer.Write(bookmark);
      return Refusal();
    };
    daemon_.on_apply = [this](const v1::ApplyRequest& request, v1::ApplyResponse* response) {
      if (!request.validate_only()) return Refusal();
      filler_.Fill(*response);
      return grpc::Status::OK;
    };
  }

  // An error in which everything is hostile.
  grpc::Status Refusal() {
    google::rpc::BadRequest bad;
    bad.add_field_violations()->set_field(filler_.Next());
    bad.mutable_field_violations(0)->set_description(filler_.Next());
    google::rpc::PreconditionFailure precondition;
    filler_.Fill(*precondition.add_violations());
    return ErrorWithDetails(grpc::StatusCode::FAILED_PRECONDITION, filler_.Next(), filler_.Next(), {&bad, &precondition});
  }

  void ExpectNoRawControls(const std::vector<std::string>& words) {
    std::string shown;
    for (const std::string& word : words) shown += " " + word;
    for (const bool paints : {false, true}) {
      std::vector<std::string> arguments = {"-v", "--color", paints ? "always" : "never"};
      arguments.insert(arguments.end(), words.begin(), words.end());
      const Answer answer = daemon_.Run(arguments);
      EXPECT_EQ(RawControlIn(answer.out, paints), "") << shown << "\n" << answer.out.substr(0, 2000);
      EXPECT_EQ(RawControlIn(answer.err, false), "") << shown << "\n" << answer.err.substr(0, 2000);
      EXPECT_FALSE(answer.out.empty() && answer.err.empty()) << shown;
    }
  }

  FakeDaemon daemon_;
  const std::vector<std::string> texts_;
  Filler filler_;
};

TEST_F(HostileTest, NoCommandPrintsRawControls) {
  const std::string manifest = daemon_.Write("a.yaml", "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: a}\nspec: {transport: TCP, bind: \"127.0.0.1:1\"}\n");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"get", "lsn,dl,fwd,ses,str,udp,ev"},
           {"get", "lsn,dl,fwd,ses,str,udp,ev", "-o", "wide"},
           {"get", "lsn,dl,fwd,ses,str,udp,ev", "-o", "name"},
           {"get", "lsn,dl,fwd,ses,str,udp,ev", "-o", "yaml"},
           {"get", "lsn,dl,fwd,ses,str,udp,ev", "-o", "json"},
           {"get", "lsn,dl,fwd,ses,str,udp,ev", "-o", "jsonl"},
           {"get", "lsn,dl,fwd,ses,str,udp,ev", "-o", "jsonpath={..*}"},
           {"get", "lsn,dl,fwd,ses,str,udp,ev", "-o", "jsonpath={range .items[*]}{.metadata.name}{.metadata.labels} {.message}{end}"},
           {"get", "lsn,dl,fwd,ses,str,udp,ev", "-o", "jmespath=@"},
           {"get", "ses", "-o", "jmespath=items[1].name"},
           {"get", "lsn,dl,fwd,ses,str,udp,ev", "-o", "custom-columns=A:.metadata.name,B:.name,C:.metadata,D:.message,E:..*"},
           {"get", "ses", "-w"},
           {"get", "ses", "-w", "-o", "yaml", "--output-events"},
           {"get", "ses", "-w", "-o", "json"},
           {"describe", "lsn,dl,fwd,ses,str,udp,ev"},
           {"describe", "lsn,dl,fwd,ses,str,udp,ev", "-o", "json"},
           {"events"},
           {"events", "-o", "json"},
           {"events", "-o", "yaml"},
           {"events", "-f"},
           {"events", "-f", "-o", "jsonl"},
           {"export"},
           {"export", "-o", "json"},
           {"export", "-o", "name"},
           {"status"},
           {"status", "-o", "json"},
           {"status", "-o", "yaml"},
           {"version"},
           {"dial", "a"},
           {"dial", "a", "-o", "json"},
           {"apply", "-f", manifest},
           {"apply", "-f", manifest, "--dry-run"},
           {"close", "ses/missing"},
           {"tap"},
           {"tap", "-o", "wide"},
           {"tap", "-o", "jsonl"},
           {"logs"},
           {"logs", "-o", "json"},
           {"check"},
           {"check", "-o", "json"},
           {"why", "ses/a"},
           {"why", "dl/a", "-o", "json"},
           {"why", "fwd/a"},
           {"diff", "-f", manifest},
           {"set", "lsn/a", "paused=true"},
           {"label", "lsn/a", "x=y"},
           {"wait", "lsn/a", "--for", "state=ACTIVE", "--timeout", "10ms"},
           {"delete", "lsn/a", "--dry-run"},
           {"auth", "whoami"},
           {"call", "ListenerService/ListListeners"},
           {"top", "ses", "-n", "1"},
           {"top", "str", "-n", "1"},
           {"top", "udp", "-n", "1"},
           {"top", "fwd", "-n", "1"},
       }) {
    ExpectNoRawControls(words);
  }
}

// Each of the thousand texts by itself, where most of them are met: as a name, as a message, in an error.
TEST_F(HostileTest, NoneOfAThousandTextsGetsThrough) {
  ASSERT_EQ(texts_.size(), 1000u);
  daemon_.sessions.clear();
  for (const std::string& text : texts_) {
    v1::Session& session = daemon_.sessions.emplace_back();
    session.set_name("sessions/" + text);
    session.set_remote_address(text);
    session.set_forward(text);
  }
  for (const char* format : {"wide", "name", "yaml", "json", "jsonl", "jsonpath={.items[*].name}", "jmespath=items[].name",
                             "custom-columns=N:.name"}) {
    ExpectNoRawControls({"get", "ses", "-o", format});
  }
  daemon_.events.clear();
  for (const std::string& text : texts_) daemon_.events.emplace_back().add_events()->set_message(text);
  ExpectNoRawControls({"events"});
  for (size_t i = 0; i < texts_.size(); i += 25) {
    daemon_.on_apply = [&](const v1::ApplyRequest&, v1::ApplyResponse*) { return Refusal(); };
    ExpectNoRawControls({"apply", "-f", daemon_.Write("b.yaml", "apiVersion: culvert/v1\nkind: Forward\nmetadata: {name: a}\nspec: {listener: b}\n")});
  }
}

TEST_F(HostileTest, WhatIsTypedWrongIsEchoedPrintable) {
  for (const std::string& text : texts_) {
    if (text.find('\0') != std::string::npos || text.size() > 200) continue;  // no argument can hold one
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"get", text}, {"get", "ses", "-o", text}, {"get", "ses", "-o", "jsonpath={." + text}, {text}, {"get", "fwd", "-l", text + "=,"}}) {
      const Answer answer = daemon_.Run(words);
      EXPECT_EQ(RawControlIn(answer.err, false), "") << answer.err;
    }
  }
}

}  // namespace
}  // namespace culvert::cli
