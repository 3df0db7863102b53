// culvertctl get: what is declared and what is observed, as tables, files, JSON or names.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "cli/command.h"
#include "cli/escape.h"
#include "cli/json.h"
#include "cli/tables.h"
#include "proto/manifest/emitter.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

class Get : public Command {
 public:
  std::vector<std::string> words;

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kWide, Format::kJson, Format::kYaml, Format::kName}}; }
  Outcome Validate(const Globals&) override {
    auto parsed = ParseReferences(words);
    if (!parsed.ok()) return Usage(std::string(parsed.status().message()), "culvertctl get --help");
    references_ = *std::move(parsed);
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    Outcome first_failure;
    for (const Reference& reference : references_) {
      Outcome failed = Fetch(context, reference);
      if (!failed) continue;
      // Objects that are missing do not hide those that are there; anything else ends it.
      if (failed->code != ExitCode::kNotFound) return failed;
      if (first_failure) Print(*first_failure, context.globals.verbose, context.streams);
      first_failure = std::move(failed);
    }
    Show(context);
    return first_failure;
  }

 private:
  // What was fetched, together by kind, kinds in the order they were asked for.
  struct Group {
    Kind kind;
    std::vector<v1::Object> objects;
    std::vector<v1::Session> sessions;
    std::vector<v1::Stream> streams;
    std::vector<v1::UdpFlow> flows;
    std::vector<v1::Event> events;
  };

  Group& GroupOf(Kind kind) {
    for (Group& group : groups_) {
      if (group.kind == kind) return group;
    }
    return groups_.emplace_back(Group{kind, {}, {}, {}, {}, {}});
  }

  Outcome Fetch(Context& context, const Reference& reference) {
    Group& group = GroupOf(reference.kind);
    if (reference.kind == Kind::kSession) {
      if (reference.name.empty()) return ListSessions(context.client, group.sessions);
      v1::Session session;
      if (Outcome failed = GetSession(context.client, reference.name, session)) return failed;
      group.sessions.push_back(std::move(session));
      return std::nullopt;
    }
    if (reference.kind == Kind::kStream) return Pick(context, reference, all_streams_, ListStreams, group.streams);
    if (reference.kind == Kind::kUdpFlow) return Pick(context, reference, all_flows_, ListUdpFlows, group.flows);
    if (reference.kind == Kind::kEvent) {
      const auto list = [this](Client& client, std::vector<v1::Event>& out) {
        return ListEvents(client, {}, out, missed_events_);
      };
      return Pick(context, reference, all_events_, list, group.events);
    }
    if (reference.name.empty()) return ListObjects(context.client, reference.kind, group.objects);
    v1::Object object;
    if (Outcome failed = GetObject(context.client, reference, object)) return failed;
    group.objects.push_back(std::move(object));
    return std::nullopt;
  }

  static bool Is(const v1::Event& event, const Reference& reference) {
    return absl::StrCat(event.revision()) == reference.name;
  }
  template <typename Observed>
  static bool Is(const Observed& one, const Reference& reference) {
    return one.name() == ResourceName(reference);
  }

  // What the daemon only lists: all of it, or the one that is meant. It is asked once, however many are.
  template <typename Observed, typename List>
  static Outcome Pick(Context& context, const Reference& reference, std::optional<std::vector<Observed>>& all,
                      List&& list, std::vector<Observed>& out) {
    if (!all) {
      std::vector<Observed> listed;
      if (Outcome failed = list(context.client, listed)) return failed;
      all = std::move(listed);
    }
    if (reference.name.empty()) {
      out.insert(out.end(), all->begin(), all->end());
      return std::nullopt;
    }
    const auto found = std::find_if(all->begin(), all->end(), [&](const Observed& one) { return Is(one, reference); });
    if (found == all->end()) {
      return Fail(ExitCode::kNotFound,
                  absl::StrFormat("%s does not exist (RESOURCE_NOT_FOUND)", Visible(ToString(reference))));
    }
    out.push_back(*found);
    return std::nullopt;
  }

  // What was observed, message by message, with the name that people know it by.
  template <typename Visit>
  static void ForEachObserved(const Group& group, Visit&& visit) {
    for (const v1::Session& one : group.sessions) visit(one, SessionId(one));
    for (const v1::Stream& one : group.streams) visit(one, StreamId(one));
    for (const v1::UdpFlow& one : group.flows) visit(one, UdpFlowId(one));
    for (const v1::Event& one : group.events) visit(one, absl::StrCat(one.revision()));
  }

  void Show(Context& context) {
    switch (context.globals.format) {
      case Format::kName:
        return ShowNames(context);
      case Format::kJson:
        return ShowJson(context);
      case Format::kYaml:
        return ShowYaml(context);
      case Format::kTable:
      case Format::kWide:
        return ShowTables(context);
      default:
        break;
    }
  }

  void ShowNames(Context& context) const {
    for (const Group& group : groups_) {
      for (const v1::Object& object : group.objects)
        context.streams.out << Visible(manifest::DisplayName(object)) << "\n";
      ForEachObserved(group, [&](const google::protobuf::Message&, const std::string& name) {
        context.streams.out << ToString({group.kind, name}) << "\n";
      });
    }
  }

  void ShowJson(Context& context) const {
    std::vector<std::string> items;
    for (const Group& group : groups_) {
      for (const v1::Object& object : group.objects) items.push_back(ObjectToJson(object));
      ForEachObserved(group, [&](const google::protobuf::Message& message, const std::string&) {
        items.push_back(ObservedToJson(message));
      });
    }
    // One thing that was named is itself; everything else is a list, however many it holds.
    const bool is_one = references_.size() == 1 && !references_[0].name.empty() && items.size() == 1;
    if (is_one) {
      context.streams.out << items[0];
    } else if (!items.empty() || references_[0].name.empty()) {
      context.streams.out << ListToJson(items);
    }
  }

  void ShowYaml(Context& context) const {
    bool first = true;
    for (const Group& group : groups_) {
      for (const v1::Object& object : group.objects) {
        context.streams.out << (std::exchange(first, false) ? "" : "---\n") << manifest::ToYaml(object, true);
      }
      ForEachObserved(group, [&](const google::protobuf::Message& message, const std::string&) {
        context.streams.out << (std::exchange(first, false) ? "" : "---\n")
                            << "apiVersion: culvert/v1\nkind: " << message.GetDescriptor()->name() << "\n"
                            << manifest::EmitFields(message, 0, {true});
      });
    }
  }

  void ShowTables(Context& context) const {
    TableOptions options;
    options.wide = context.globals.format == Format::kWide;
    options.with_kind = groups_.size() > 1;
    options.now_seconds = context.streams.now_seconds();
    bool first = true;
    for (const Group& group : groups_) {
      const Table table = TableOf(group, options);
      if (table.empty()) {
        const bool listed = references_[0].name.empty();
        if (listed && !context.globals.quiet) context.streams.err << "no " << Plural(group.kind) << "\n";
        continue;
      }
      if (!std::exchange(first, false)) context.streams.out << "\n";
      table.Print(context.streams.out, {.with_headers = !context.globals.no_headers, .color = context.streams.color, .columns = context.streams.columns});
    }
    if (missed_events_ > 0) context.streams.out << "-- " << missed_events_ << " events missed --\n";
  }

  static Table TableOf(const Group& group, const TableOptions& options) {
    switch (group.kind) {
      case Kind::kSession:
        return SessionTable(group.sessions, options);
      case Kind::kStream:
        return StreamTable(group.streams, options);
      case Kind::kUdpFlow:
        return UdpFlowTable(group.flows, options);
      case Kind::kEvent:
        return EventTable(group.events, options);
      default:
        return ObjectTable(group.kind, group.objects, options);
    }
  }

  std::vector<Reference> references_;
  std::vector<Group> groups_;
  std::optional<std::vector<v1::Stream>> all_streams_;
  std::optional<std::vector<v1::UdpFlow>> all_flows_;
  std::optional<std::vector<v1::Event>> all_events_;
  uint64_t missed_events_ = 0;
};

}  // namespace

Verb AddGet(CLI::App& root) {
  auto command = std::make_unique<Get>();
  CLI::App* app = AddVerb(root, "get",
                          "Shows listeners (lsn), dialers (dl), forwards (fwd), sessions (ses), streams (str), UDP "
                          "flows (udp), events (ev) "
                          "or all declared objects.",
                          "culvertctl get listeners\n"
                          "culvertctl get all -o yaml\n"
                          "culvertctl get dl/site-b fwd/pg\n"
                          "culvertctl get listener local-pg -o json\n"
                          "culvertctl get sessions -o wide --no-headers\n"
                          "culvertctl get streams\n"
                          "culvertctl get str/k3f9q2/4 -o yaml\n"
                          "culvertctl get udpflows -o wide");
  app->add_option("what", command->words, "KIND, KIND NAME..., KIND/NAME..., or all");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
