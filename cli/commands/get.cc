// culvertctl get: objects and sessions, as tables, files, JSON or names.
#include <chrono>
#include <utility>

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
  };

  Group& GroupOf(Kind kind) {
    for (Group& group : groups_) {
      if (group.kind == kind) return group;
    }
    return groups_.emplace_back(Group{kind, {}, {}});
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
    if (reference.name.empty()) return ListObjects(context.client, reference.kind, group.objects);
    v1::Object object;
    if (Outcome failed = GetObject(context.client, reference, object)) return failed;
    group.objects.push_back(std::move(object));
    return std::nullopt;
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
    }
  }

  void ShowNames(Context& context) const {
    for (const Group& group : groups_) {
      for (const v1::Object& object : group.objects)
        context.streams.out << Visible(manifest::DisplayName(object)) << "\n";
      for (const v1::Session& session : group.sessions) context.streams.out << "session/" << SessionId(session) << "\n";
    }
  }

  void ShowJson(Context& context) const {
    std::vector<std::string> items;
    for (const Group& group : groups_) {
      for (const v1::Object& object : group.objects) items.push_back(ObjectToJson(object));
      for (const v1::Session& session : group.sessions) items.push_back(SessionToJson(session));
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
      for (const v1::Session& session : group.sessions) {
        context.streams.out << (std::exchange(first, false) ? "" : "---\n") << "apiVersion: culvert/v1\nkind: Session\n"
                            << manifest::EmitFields(session, 0, {true});
      }
    }
  }

  void ShowTables(Context& context) const {
    TableOptions options;
    options.wide = context.globals.format == Format::kWide;
    options.with_kind = groups_.size() > 1;
    options.now_seconds =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    bool first = true;
    for (const Group& group : groups_) {
      const bool is_session = group.kind == Kind::kSession;
      const Table table =
          is_session ? SessionTable(group.sessions, options) : ObjectTable(group.kind, group.objects, options);
      if (table.empty()) {
        const bool listed = references_[0].name.empty();
        if (listed && !context.globals.quiet) context.streams.err << "no " << Plural(group.kind) << "\n";
        continue;
      }
      if (!std::exchange(first, false)) context.streams.out << "\n";
      table.Print(context.streams.out, {!context.globals.no_headers, context.streams.color});
    }
  }

  std::vector<Reference> references_;
  std::vector<Group> groups_;
};

}  // namespace

Verb AddGet(CLI::App& root) {
  auto command = std::make_unique<Get>();
  CLI::App* app = AddVerb(
      root, "get", "Shows listeners (lsn), dialers (dl), forwards (fwd), sessions (ses) or all declared objects.",
      "culvertctl get listeners\n"
      "culvertctl get all -o yaml\n"
      "culvertctl get dl/site-b fwd/pg\n"
      "culvertctl get listener local-pg -o json\n"
      "culvertctl get sessions -o wide --no-headers");
  app->add_option("what", command->words, "KIND, KIND NAME..., KIND/NAME..., or all");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
