// culvertctl why: what keeps a session, a stream or a whole object from sending more, now and since it began, and what could be changed.
// Two frames of the daemon's statistics are compared, so that what is seen is what happens now, not what happened an hour ago.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/advice/limits.h"
#include "cli/command.h"
#include "cli/objects/lists.h"
#include "cli/output/tables.h"
#include "cli/text/escape.h"
#include "cli/text/json.h"
#include "cli/text/units.h"
#include "cli/watch/follow_stream.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "google/protobuf/struct.pb.h"
#include "proto/manifest/manifest.h"
#include "proto/manifest/schema.h"

namespace culvert::cli {
namespace {

constexpr int kBarWidth = 20;

// One direction of what was asked about: who sends, over which session.
struct Leg {
  std::string title;
  std::string session;  // "sessions/ID" that advice is about; empty: none
  LimitTimes now;       // between the two frames
  LimitTimes always;    // since it began
};

// What the frames say of one session or one half of a stream.
struct Sample {
  std::string session;
  LimitTimes first, last;
};

class Why : public Command {
 public:
  std::vector<std::string> words;
  std::string over_text = "2s";

  [[nodiscard]] Takes takes() const override { return {.formats = {Format::kTable, Format::kJson}}; }

  Outcome Validate(const Globals&) override {
    const auto parsed = ParseReferences(words);
    if (!parsed.ok()) return Usage(std::string(parsed.status().message()), "culvertctl why --help");
    if (parsed->size() != 1 || parsed->front().name.empty()) {
      return Usage("one session, stream, forward, dialer or listener is wanted", "culvertctl get ses shows which there are");
    }
    reference_ = parsed->front();
    if (reference_.kind == Kind::kUdpFlow || reference_.kind == Kind::kEvent) {
      return Usage(absl::StrCat("why knows sessions, streams, forwards, dialers and listeners, not ", std::string(Plural(reference_.kind))));
    }
    const auto over = manifest::ParseDuration(over_text);
    if (!over.ok()) return Usage("--over: " + std::string(over.status().message()));
    if (Seconds(*over) < 0.1 || Seconds(*over) > 3600) return Usage("--over: 100ms to 1h");
    *request_.mutable_interval() = *over;
    FillScope();
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    if (Outcome failed = CheckExists(context)) return failed;
    if (Outcome failed = Watch(context)) return failed;
    std::vector<Leg> legs = Legs();
    if (legs.empty()) {
      return Fail(ExitCode::kFalse, Visible(ToString(reference_)) + " has nothing that is sent over mKCP or QUIC now",
                  reference_.kind == Kind::kStream ? "its session may have ended: culvertctl tap" : "culvertctl get ses shows which there are");
    }
    google::protobuf::Struct document;
    for (size_t i = 0; i < legs.size(); ++i) {
      if (Outcome failed = Explain(context, legs[i], document, i == 0)) return failed;
    }
    if (context.globals.format == Format::kJson) context.streams.out << ToJson(document);
    return std::nullopt;
  }

 private:
  void FillScope() {
    const bool by_stream = reference_.kind == Kind::kStream || reference_.kind == Kind::kForward;
    request_.set_scope(by_stream ? v1::WatchStatsRequest::SCOPE_STREAMS : v1::WatchStatsRequest::SCOPE_SESSIONS);
    switch (reference_.kind) {
      case Kind::kSession: return request_.set_session(reference_.name);
      case Kind::kStream: return request_.set_session(reference_.name.substr(0, reference_.name.find('/')));
      case Kind::kListener: return request_.set_listener(reference_.name);
      case Kind::kDialer: return request_.set_dialer(reference_.name);
      default: return request_.set_forward(reference_.name);
    }
  }

  // So that a name that is wrong is told from an object that is idle.
  Outcome CheckExists(Context& context) const {
    v1::Object object;
    v1::Session session;
    if (IsDeclared(reference_.kind)) return GetObject(context.client, reference_, object);
    return GetSession(context.client, request_.session(), session);
  }

  Outcome Watch(Context& context) {
    int frames = 0;
    if (!context.globals.quiet && context.streams.out_is_terminal) {
      context.streams.err << "looking for " << over_text << " ..." << std::endl;
    }
    std::unique_ptr<v1::ObserveService::Stub> stub;
    return FollowStream<v1::WatchStatsResponse>(
        context, context.client.request_timeout() + FromSeconds(Seconds(request_.interval())),
        [&](const auto& channel, grpc::ClientContext* call) {
          stub = v1::ObserveService::NewStub(channel);
          return stub->WatchStats(call, request_);
        },
        [&](const v1::WatchStatsResponse& message) {
          for (const v1::Session& one : message.samples()) {
            if (one.path().has_time_in_limit()) Note(one.name(), one.name(), one.path().time_in_limit(), frames);
          }
          for (const v1::Stream& one : message.streams()) NoteStream(one, frames);
          if (message.end_of_frame()) ++frames;
          return frames < 2;
        });
  }

  void NoteStream(const v1::Stream& stream, int frame) {
    if (reference_.kind == Kind::kStream && stream.name() != ResourceName(reference_)) return;
    if (stream.has_far_time_in_limit()) Note(stream.name() + " far", stream.far_session(), stream.far_time_in_limit(), frame);
    if (stream.has_time_in_limit()) Note(stream.name() + " near", stream.session(), stream.time_in_limit(), frame);
  }

  void Note(const std::string& key, const std::string& session, const v1::TimeInLimit& time, int frame) {
    const auto [at, is_new] = samples_.try_emplace(key);
    at->second.session = session;
    // What begins between the two has its whole life between them.
    if (is_new && frame == 0) at->second.first = LimitTimes::Of(time);
    at->second.last = LimitTimes::Of(time);
  }

  // Of a stream or forward one leg for each direction, else one for all sessions together.
  std::vector<Leg> Legs() const {
    const bool by_stream = request_.scope() == v1::WatchStatsRequest::SCOPE_STREAMS;
    std::vector<Leg> legs;
    const auto add = [&](const std::string& ending, const std::string& title) {
      Leg leg;
      const Sample* busiest = nullptr;
      int count = 0;
      for (const auto& [key, sample] : samples_) {
        if (!ending.empty() && !key.ends_with(ending)) continue;
        ++count;
        leg.now += sample.last.Since(sample.first);
        leg.always += sample.last;
      }
      if (count == 0) return;
      const Limit limit = Main(leg);
      for (const auto& [key, sample] : samples_) {
        if (!ending.empty() && !key.ends_with(ending)) continue;
        if (busiest == nullptr || InLimit(sample, limit) > InLimit(*busiest, limit)) busiest = &sample;
      }
      leg.session = busiest->session;
      leg.title = title;
      if (count > 1) absl::StrAppend(&leg.title, ", ", count, by_stream ? " streams" : " sessions", " together");
      legs.push_back(std::move(leg));
    };
    if (by_stream) {
      add(" far", "to the destination");
      add(" near", "to the source");
    } else {
      add("", "to the peer");
    }
    return legs;
  }

  static double InLimit(const Sample& sample, Limit limit) { return sample.last.Since(sample.first).in(limit); }
  static Limit Main(const Leg& leg) { return leg.now.Largest().value_or(leg.always.Largest().value_or(v1::PathStats::LIMITED_BY_APPLICATION)); }

  Outcome Explain(Context& context, const Leg& leg, google::protobuf::Struct& document, bool is_first) const {
    v1::Session session;
    if (Outcome failed = GetSession(context.client, BriefName(Kind::kSession, leg.session), session); failed && failed->code != ExitCode::kNotFound) return failed;
    v1::Object owner;
    const v1::Object* known = nullptr;
    const Reference owned_by = session.listener().empty() ? Reference{Kind::kDialer, session.dialer()} : Reference{Kind::kListener, session.listener()};
    if (!owned_by.name.empty() && !GetObject(context.client, owned_by, owner)) known = &owner;
    const Limit limit = Main(leg);
    // Of a session that is gone there are no figures, and zeros would be false ones.
    const Advice advice = session.name().empty() ? Advice() : AdviceFor(limit, session, known);
    if (context.globals.format == Format::kJson) {
      *(*document.mutable_fields())["legs"].mutable_list_value()->add_values()->mutable_struct_value() = Document(leg, limit, advice);
      return std::nullopt;
    }
    std::ostream& out = context.streams.out;
    if (!is_first) out << "\n";
    out << Visible(ToString(reference_)) << "  " << leg.title << ": " << SessionText(session, leg) << "\n";
    PrintShares(out, leg, context.streams.color);
    out << "\n" << LimitMeaning(limit) << "\n";
    for (const std::string& fact : advice.facts) out << "  " << fact << "\n";
    if (!advice.next.empty()) out << "next: " << advice.next << "\n";
    return std::nullopt;
  }

  static std::string SessionText(const v1::Session& session, const Leg& leg) {
    if (session.name().empty()) return "session/" + SessionId(leg.session) + ", which has ended";
    return absl::StrCat("session/", SessionId(session), "  ", manifest::ShortName(v1::Transport_descriptor()->FindValueByNumber(session.transport())),
                        "  ", OwnerOf(session), "  ", Visible(session.remote_address()), "  ", StateName(session.state()));
  }

  void PrintShares(std::ostream& out, const Leg& leg, bool color) const {
    auto order = kLimits;
    std::ranges::stable_sort(order, std::ranges::greater(), [&](Limit limit) { return leg.now.share(limit); });
    out << absl::StrFormat("  %-12s %8s  %-*s %s\n", "LIMIT", absl::StrCat("LAST-", over_text), kBarWidth, "", "ALWAYS");
    for (const Limit limit : order) {
      const double share = leg.now.share(limit);
      const std::string bar(static_cast<size_t>(share * kBarWidth + 0.5), '#');
      const bool is_painted = color && limit == order.front() && limit != v1::PathStats::LIMITED_BY_APPLICATION;
      out << absl::StrFormat("  %-12s %8s  %s%-*s%s %6s\n", LimitName(limit), HumanShare(share), is_painted ? "\x1b[33m" : "", kBarWidth, bar,
                             is_painted ? "\x1b[0m" : "", HumanShare(leg.always.share(limit)));
    }
  }

  static google::protobuf::Struct Document(const Leg& leg, Limit limit, const Advice& advice) {
    google::protobuf::Struct out;
    auto& fields = *out.mutable_fields();
    fields["direction"].set_string_value(leg.title);
    fields["session"].set_string_value(leg.session);
    fields["limitedBy"].set_string_value(LimitName(limit));
    fields["meaning"].set_string_value(LimitMeaning(limit));
    for (const std::string& fact : advice.facts) fields["facts"].mutable_list_value()->add_values()->set_string_value(fact);
    fields["next"].set_string_value(advice.next);
    for (const Limit each : kLimits) {
      (*fields["now"].mutable_struct_value()->mutable_fields())[LimitName(each)].set_number_value(leg.now.share(each));
      (*fields["always"].mutable_struct_value()->mutable_fields())[LimitName(each)].set_number_value(leg.always.share(each));
    }
    return out;
  }

  Reference reference_;
  v1::WatchStatsRequest request_;
  std::map<std::string, Sample> samples_;
};

}  // namespace

Verb AddWhy(CLI::App& root) {
  auto command = std::make_unique<Why>();
  CLI::App* app = AddVerb(root, "why", "Says why something is slow: what limits its sender now and since it began, and what to change.",
                          "culvertctl why ses/k3f9q2\n"
                          "culvertctl why str/k3f9q2/4 --over 10s\n"
                          "culvertctl why dl/site-b           all of its sessions together\n"
                          "culvertctl why fwd/pg -o json");
  app->alias("explain-limit");
  app->add_option("what", command->words, "ses/ID, str/ID, fwd/NAME, dl/NAME or lsn/NAME");
  app->add_option("--over", command->over_text, "how long to look, 100ms to 1h (2s)");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
