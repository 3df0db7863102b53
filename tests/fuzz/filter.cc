// The languages of lists: filters, orders and read masks, over every type of item that a list of the API has.
//
//   type, samples, mode, text    mode even: the text is a filter, an order and a read mask (its paths apart at commas), which must be
//                                sound in itself, whatever they say.
//   type, samples, mode, steps   mode odd: the steps choose a field and a value, and the comparisons of the two must fit together.
//
// Items are made of `samples`. Each has a twin that differs in its secrets only: nothing may tell the two apart.
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>

#include "absl/strings/str_split.h"
#include "core/base/check.h"
#include "core/base/random.h"
#include "culvert/v1/config.pb.h"
#include "culvert/v1/observe.pb.h"
#include "culvert/v1/session.pb.h"
#include "google/rpc/error_details.pb.h"
#include "server/error_builder.h"
#include "server/message_walk.h"
#include "server/query/filter.h"
#include "server/query/order.h"
#include "server/query/read_mask.h"
#include "tests/fuzz/messages.h"
#include "tests/fuzz/targets.h"

namespace culvert::fuzz {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using server::Filter;
using server::Order;
using server::ReadMask;

constexpr size_t kItems = 5;
constexpr uint8_t kSamples = 16;

struct Item {
  std::unique_ptr<Message> message;
  std::unique_ptr<Message> twin;  // with other secrets
};
using Items = std::vector<Item>;

const Message& TypeNumber(size_t number) {
  static const std::vector<const Message*> types = {
      &v1::Listener::default_instance(), &v1::Dialer::default_instance(),  &v1::Forward::default_instance(), &v1::Session::default_instance(),
      &v1::Stream::default_instance(),   &v1::UdpFlow::default_instance(), &v1::Event::default_instance(),   &v1::ForwardSample::default_instance()};
  return *types[number % types.size()];
}

// Makes the value of every secret field another one. What has no value gets none: that there is a secret may be known.
void ChangeSecrets(Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (server::RulesOf(*field).secret()) {
      message.GetReflection()->SetString(&message, field, "another one");
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_repeated()) {
      ChangeSecrets(*message.GetReflection()->MutableMessage(&message, field));
    }
  }
}

Items MakeItems(const Message& type, uint8_t seed) {
  Items items;
  SeededRandom random(seed);
  for (size_t i = 0; i < kItems; ++i) {
    std::vector<uint8_t> bytes(i * 90);
    random.Fill(bytes);
    Choices choices(bytes);
    Item item{std::unique_ptr<Message>(type.New()), std::unique_ptr<Message>(type.New())};
    // Several times over, so that also what lies deep is set in some; the first is empty.
    for (size_t round = 0; round < i; ++round) FillMessage(*item.message, Pools(), choices);
    // As a message comes from the wire: with every key of a map once.
    CULVERT_CHECK(item.message->ParseFromString(item.message->SerializeAsString()));
    item.twin->CopyFrom(*item.message);
    ChangeSecrets(*item.twin);
    items.push_back(std::move(item));
  }
  return items;
}

std::vector<bool> Judge(const Filter& filter, const Items& items) {
  std::vector<bool> matches;
  for (const Item& item : items) {
    matches.push_back(filter.Matches(*item.message));
    CULVERT_CHECK(filter.Matches(*item.twin) == matches.back());
  }
  return matches;
}

// Made once: a fuzzer comes back to each many thousand times.
const Items& ItemsOf(const Message& type, uint8_t seed) {
  static std::map<std::pair<const Descriptor*, uint8_t>, Items> made;
  Items& items = made[{type.GetDescriptor(), seed}];
  if (items.empty()) items = MakeItems(type, seed);
  return items;
}

size_t Lines(std::string_view text) { return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1; }

// One reason, a place within the text, and a caret below that place; nothing that a terminal would act on.
void CheckFilterError(const absl::Status& error, const std::string& text) {
  CULVERT_CHECK(absl::IsInvalidArgument(error) && server::ReasonOf(error) == "INVALID_FILTER");
  const std::string message(error.message());
  CULVERT_CHECK(message.size() <= server::kMaxErrorMessageBytes && IsCleanText(message, /*lines=*/true));
  const auto info = server::DetailOf<google::rpc::ErrorInfo>(error);
  const std::string& written = info.metadata().at("position");
  size_t position = 0;
  const auto [end, fault] = std::from_chars(written.data(), written.data() + written.size(), position);
  CULVERT_CHECK(fault == std::errc() && end == written.data() + written.size() && position <= text.size());
  CULVERT_CHECK(info.domain() == "culvert" && info.metadata().at("field") == "filter");
  const auto bad_request = server::DetailOf<google::rpc::BadRequest>(error);
  CULVERT_CHECK(bad_request.field_violations_size() == 1 && bad_request.field_violations(0).field() == "filter");
  CULVERT_CHECK(IsCleanText(bad_request.field_violations(0).description(), /*lines=*/false));
  if (text.size() > server::kMaxFilterBytes) return;
  CULVERT_CHECK(Lines(message) == 3 && message.back() == '^');
  const std::vector<std::string> lines = absl::StrSplit(message, '\n');
  const size_t column = lines[2].size() - 1;  // of the caret
  CULVERT_CHECK(column >= 2 && column <= lines[1].size() && lines[2].find_first_not_of(' ') == column);
  if (position == text.size()) return;
  const auto byte = static_cast<unsigned char>(text[position]);
  CULVERT_CHECK(column < lines[1].size() && lines[1][column] == (byte >= 0x20 && byte < 0x7f ? text[position] : '?'));
}

// A filter made of good ones is good, unless it is beyond a limit.
absl::StatusOr<Filter> Derived(const std::string& text, const Descriptor& type) {
  absl::StatusOr<Filter> filter = Filter::Parse(text, type);
  if (filter.ok()) return filter;
  const std::string message(filter.status().message());
  const bool is_limit = message.find("too many levels") != std::string::npos || message.find("comparisons") != std::string::npos ||
                        message.find("longer than") != std::string::npos;
  CULVERT_CHECK(is_limit);
  return filter;
}

using Judgement = std::vector<bool>;

template <typename Combine>
Judgement Both(const Judgement& first, const Judgement& second, const Combine& combine) {
  Judgement result;
  for (size_t i = 0; i < first.size(); ++i) result.push_back(combine(first[i], second[i]));
  return result;
}
Judgement And(const Judgement& first, const Judgement& second) {
  return Both(first, second, [](bool a, bool b) { return a && b; });
}
Judgement Or(const Judgement& first, const Judgement& second) {
  return Both(first, second, [](bool a, bool b) { return a || b; });
}
Judgement Not(Judgement judgement) {
  judgement.flip();
  return judgement;
}

void ExpectSame(const std::string& text, const Message& type, const Items& items, const Judgement& expected) {
  const absl::StatusOr<Filter> filter = Derived(text, *type.GetDescriptor());
  if (filter.ok()) CULVERT_CHECK(Judge(*filter, items) == expected);
}

void CheckFilter(const std::string& text, const Message& type, const Items& items) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text, *type.GetDescriptor());
  if (!filter.ok()) return CheckFilterError(filter.status(), text);
  const Judgement f = Judge(*filter, items);
  CULVERT_CHECK(Judge(*filter, items) == f);
  if (filter->MatchesAll()) {
    CULVERT_CHECK(f == Judgement(items.size(), true) && text.find_first_not_of(" \t\n\v\f\r") == std::string::npos);
    return;
  }
  const std::string in = "(" + text + ")";
  // Parentheses and spaces mean nothing, two negations nothing, and neither does saying it twice.
  for (const std::string& same : {text, in, " \t\n" + text + "\n", "NOT NOT " + in, "NOT (NOT" + in + ")", in + "AND" + in, in + " OR " + in}) {
    ExpectSame(same, type, items, f);
  }
  ExpectSame("NOT " + in, type, items, Not(f));
  ExpectSame(in + " AND NOT " + in, type, items, Judgement(items.size(), false));
  ExpectSame("NOT " + in + " OR " + in, type, items, Judgement(items.size(), true));
  // With another one, which holds for some: the laws of De Morgan, and that the order of terms is nothing.
  const std::string other = "name:l";
  const absl::StatusOr<Filter> second = Filter::Parse(type.GetDescriptor() == v1::Event::descriptor() ? "subject:l" : other, *type.GetDescriptor());
  CULVERT_CHECK(second.ok());
  const std::string g = type.GetDescriptor() == v1::Event::descriptor() ? "subject:l" : other;
  const Judgement h = Judge(*second, items);
  ExpectSame(in + " AND " + g, type, items, And(f, h));
  ExpectSame(g + " OR " + in, type, items, Or(f, h));
  ExpectSame("NOT (" + in + " AND " + g + ")", type, items, Or(Not(f), Not(h)));
  ExpectSame("NOT (" + g + " OR " + in + ")", type, items, And(Not(f), Not(h)));
}

void CheckFieldError(const absl::Status& error, const char* field) {
  CULVERT_CHECK(absl::IsInvalidArgument(error) && server::ReasonOf(error) == "INVALID_FIELD");
  const auto bad_request = server::DetailOf<google::rpc::BadRequest>(error);
  CULVERT_CHECK(bad_request.field_violations_size() == 1 && bad_request.field_violations(0).field() == field);
  CULVERT_CHECK(IsCleanText(std::string(error.message()), /*lines=*/false) && IsCleanText(bad_request.field_violations(0).description(), /*lines=*/false));
}

// "a, b desc" as "a desc, b".
std::string Reversed(const std::string& text) {
  std::string reversed;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, ','))) {
    const std::vector<std::string> words = absl::StrSplit(part, ' ', absl::SkipEmpty());
    const bool is_descending = words.size() == 2 && words[1] == "desc";
    reversed += (reversed.empty() ? "" : ",") + words[0] + (is_descending ? "" : " desc");
  }
  return reversed;
}

void CheckOrder(const std::string& text, const Message& type, const Items& items) {
  const absl::StatusOr<Order> order = Order::Parse(text, *type.GetDescriptor());
  if (!order.ok()) return CheckFieldError(order.status(), "order_by");
  if (order->ByNameOnly()) {
    for (const Item& item : items) CULVERT_CHECK(order->KeyOf(*item.message, "name") == "name");
    return;
  }
  const absl::StatusOr<Order> reversed = Order::Parse(Reversed(text), *type.GetDescriptor());
  CULVERT_CHECK(reversed.ok());
  for (const Item& first : items) {
    const std::string key = order->KeyOf(*first.message, "");
    CULVERT_CHECK(order->KeyOf(*first.twin, "") == key);
    // The name comes last and as it is.
    CULVERT_CHECK(order->KeyOf(*first.message, "name") == key + "name");
    for (const Item& second : items) {
      const std::string other = order->KeyOf(*second.message, "");
      const bool is_turned = (key < other) == (reversed->KeyOf(*second.message, "") < reversed->KeyOf(*first.message, ""));
      CULVERT_CHECK(is_turned);
    }
  }
}

// Whether `part` says nothing that `whole` does not.
bool IsPartOf(const Message& part, const Message& whole) {
  std::vector<const FieldDescriptor*> fields;
  part.GetReflection()->ListFields(part, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->is_repeated()) {
      google::protobuf::util::MessageDifferencer differencer;
      if (!differencer.CompareWithFields(part, whole, {field}, {field})) return false;
    } else if (!whole.GetReflection()->HasField(whole, field)) {
      return false;
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (!IsPartOf(part.GetReflection()->GetMessage(part, field), whole.GetReflection()->GetMessage(whole, field))) return false;
    }
  }
  return true;
}

void CheckMask(const std::string& text, const Message& type, const Items& items) {
  google::protobuf::FieldMask mask;
  for (const std::string& path : std::vector<std::string>(absl::StrSplit(text, ','))) mask.add_paths(path);
  const absl::StatusOr<ReadMask> read_mask = ReadMask::Parse(mask, *type.GetDescriptor());
  if (!read_mask.ok()) return CheckFieldError(read_mask.status(), "read_mask");
  const bool is_all = text == "*";
  for (const Item& item : items) {
    const std::unique_ptr<Message> trimmed(item.message->New());
    trimmed->CopyFrom(*item.message);
    read_mask->Trim(*trimmed);
    const std::string bytes = server::DeterministicBytes(*trimmed);
    CULVERT_CHECK(IsPartOf(*trimmed, *item.message));
    if (is_all) CULVERT_CHECK(bytes == server::DeterministicBytes(*item.message));
    std::vector<const FieldDescriptor*> fields;
    trimmed->GetReflection()->ListFields(*trimmed, &fields);
    for (const FieldDescriptor* field : fields) {
      bool is_wanted = is_all;
      for (const std::string& path : mask.paths()) is_wanted |= path == field->name() || path.starts_with(field->name() + ".");
      CULVERT_CHECK(is_wanted);
    }
    read_mask->Trim(*trimmed);
    CULVERT_CHECK(server::DeterministicBytes(*trimmed) == bytes);
    server::RedactSecrets(*trimmed);
    CULVERT_CHECK(trimmed->SerializeAsString().find(kCanary) == std::string::npos);
  }
}

// The path of some field below `type`, and the field.
const FieldDescriptor& WalkTo(const Descriptor& type, Choices& choices, std::string& path) {
  const Descriptor* at = &type;
  while (true) {
    const FieldDescriptor& field = *at->field(static_cast<int>(choices.Below(static_cast<size_t>(at->field_count()))));
    path += (path.empty() ? "" : ".") + field.name();
    const bool is_block = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_repeated() &&
                          field.message_type()->file()->package() != "google.protobuf";
    if (!is_block || choices.Below(8) == 7) return field;
    at = field.message_type();
  }
}

bool IsBelowSecret(const Descriptor& type, const std::string& path) {
  const Descriptor* at = &type;
  for (const std::string& name : std::vector<std::string>(absl::StrSplit(path, '.'))) {
    const FieldDescriptor* field = at == nullptr ? nullptr : at->FindFieldByName(name);
    if (field == nullptr) return false;
    if (server::RulesOf(*field).secret()) return true;
    at = field->message_type();
  }
  return false;
}

// How the comparisons of one field with one value hang together.
void CheckComparisons(Choices& choices, const Message& type, const Items& items) {
  std::string path;
  const FieldDescriptor& field = WalkTo(*type.GetDescriptor(), choices, path);
  static const std::vector<std::string> values = {"0", "1", "3", "65536", "1Ki", "-1", ".5", "1e3", "true", "false", "ACTIVE", "TCP", "l0", "l*", "*",
                                                  "10.0.0.0/8", "10ms", "2h", "2026-12-01T08:00:00Z", "9223372036854775807", "18446744073709551615"};
  std::string value = choices.Of(values);
  if (choices.Below(4) == 3) value = std::string(AsText(choices.Take(20)));
  std::string quoted = "\"";
  for (const char c : value) quoted += (c == '"' || c == '\\' ? "\\" : "") + std::string(1, c);
  quoted += "\"";
  const std::string written = choices.Below(2) == 0 ? quoted : value;
  if (field.is_map() && choices.Below(2) == 1) path += ".app";

  const auto judge = [&](const char* comparison) -> std::optional<Judgement> {
    const std::string text = path + comparison + written;
    const absl::StatusOr<Filter> filter = Filter::Parse(text, *type.GetDescriptor());
    if (filter.ok() && !IsBelowSecret(*type.GetDescriptor(), path)) return Judge(*filter, items);
    CULVERT_CHECK(!filter.ok());
    CheckFilterError(filter.status(), text);
    return std::nullopt;
  };
  // An unquoted value may end early and go on as something else, or make another operator; then nothing is known of the whole.
  const bool is_one_word = written == quoted || (value.find_first_of(" \t\n\v\f\r()\"") == std::string::npos && !value.starts_with('='));
  const auto equal = judge("=");
  const auto unequal = judge("!=");
  const auto less = judge("<");
  const auto at_most = judge("<=");
  const auto greater = judge(">");
  const auto at_least = judge(">=");
  const auto has = judge(":");
  if (!is_one_word) return;
  CULVERT_CHECK(equal.has_value() == unequal.has_value());
  CULVERT_CHECK(less.has_value() == at_most.has_value() && less.has_value() == greater.has_value() && less.has_value() == at_least.has_value());
  if (equal) CULVERT_CHECK(*unequal == Not(*equal));
  if (!less) return;
  CULVERT_CHECK(equal.has_value());
  // A star stands for anything in = and !=, and for itself in the others.
  const bool is_pattern = written != quoted && value.find('*') != std::string::npos;
  const Judgement none(items.size(), false);
  CULVERT_CHECK(And(*less, *greater) == none);
  CULVERT_CHECK(And(*greater, *at_least) == *greater && And(*less, *at_most) == *less);
  if (is_pattern) return;
  CULVERT_CHECK(*at_most == Or(*less, *equal) && *at_least == Or(*greater, *equal));
  CULVERT_CHECK(And(*at_most, *at_least) == *equal && And(*less, *equal) == none);
  // What holds of it as a whole holds of it as a part.
  const bool is_text = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  if (is_text && has && !value.empty()) CULVERT_CHECK(And(*equal, *has) == *equal);
}

}  // namespace

void FilterOrderMask(ByteView input) {
  ByteReader reader(input);
  const Message& type = TypeNumber(reader.ReadU8());
  const Items& items = ItemsOf(type, reader.ReadU8() % kSamples);
  const bool is_steps = (reader.ReadU8() & 1) != 0;
  const ByteView rest = reader.ReadBytes(reader.remaining());
  if (is_steps) {
    Choices choices(rest);
    while (!choices.AtEnd()) CheckComparisons(choices, type, items);
    return;
  }
  const std::string text(AsText(rest));
  // Requests are proto3: what is not UTF-8 never comes here.
  if (!IsUtf8(text)) return;
  CheckFilter(text, type, items);
  CheckOrder(text, type, items);
  CheckMask(text, type, items);
}

}  // namespace culvert::fuzz
