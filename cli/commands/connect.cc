// culvertctl connect: standard input and output through a dialer's tunnel, as nc does for a plain connection.
//
// Three threads: this one reads what comes and writes it out; the pump reads the input and sends it, one message at a time;
// the alarm ends the call when it has waited long enough. Each blocks where it should: a slow far side stops the pump's
// reading, a slow reader of our output stops our reading of the call.
#include <atomic>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "cli/command.h"
#include "cli/output/tables.h"
#include "cli/process/alarm.h"
#include "cli/process/input_pump.h"
#include "cli/process/interrupt.h"
#include "cli/text/escape.h"
#include "cli/text/units.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "proto/manifest/manifest.h"

namespace culvert::cli {
namespace {

constexpr size_t kMaxDatagramBytes = 65507;  // of UDP over IPv4: 65535 - 20 - 8
constexpr Duration kUdpPatience = std::chrono::seconds(3);

class Connect : public Command {
 public:
  std::string subject;
  std::string destination;
  bool udp = false;
  std::string timeout_text;

  Outcome Validate(const Globals&) override {
    if (const size_t slash = subject.find('/'); slash != std::string::npos) {
      const auto kind = ParseKind(subject.substr(0, slash));
      if (!kind.ok() || *kind != Kind::kDialer) return Usage("only a dialer leads into a tunnel: dl/NAME");
      subject = subject.substr(slash + 1);
    }
    if (subject.empty()) return Usage("a dialer is wanted: dl/NAME", "culvertctl connect --help");
    if (!destination.empty() && !IsHostPort(destination)) {
      return Usage(absl::StrFormat("\"%s\" is not HOST:PORT", Visible(destination.substr(0, 300))));
    }
    if (udp) patience_ = kUdpPatience;
    if (!timeout_text.empty()) {
      const auto timeout = manifest::ParseDuration(timeout_text);
      if (!timeout.ok()) return Usage("--timeout: " + std::string(timeout.status().message()));
      if (Seconds(*timeout) <= 0 || Seconds(*timeout) > 86400) return Usage("--timeout: above 0, at most 24h");
      patience_ = FromSeconds(Seconds(*timeout));
    }
    open_.set_dialer(subject);
    open_.set_destination(destination);
    open_.set_udp(udp);
    return std::nullopt;
  }

  Outcome Run(Context& context) override {
    if (Outcome failed = context.client.Connect()) return failed;
    grpc::ClientContext call;
    // A connection has no natural end; a week is one all the same.
    Client::SetDeadline(call, std::chrono::hours(24 * 7));
    const auto stub = v1::DialerService::NewStub(context.client.channel());
    const InterruptScope interrupt([&call] { call.TryCancel(); });
    const auto stream = stub->Connect(&call);
    {
      Alarm alarm([this, &call] {
        expired_ = true;
        call.TryCancel();
      });
      v1::ConnectRequest request;
      *request.mutable_open() = open_;
      stream->Write(request);  // when it fails, so does the read that follows
      alarm.Set(context.client.request_timeout());
      Exchange(context, *stream, call, alarm);
    }
    const grpc::Status status = stream->Finish();
    if (interrupt.interrupted()) return Failure{ExitCode::kInterrupted, {}, "", ""};
    return Judge(context, status);
  }

 private:
  using Stream = grpc::ClientReaderWriter<v1::ConnectRequest, v1::ConnectResponse>;

  static bool IsHostPort(const std::string& text) {
    const size_t colon = text.rfind(':');
    uint32_t port = 0;
    return colon != std::string::npos && colon > 0 && absl::SimpleAtoi(text.substr(colon + 1), &port) && port >= 1 &&
           port <= 65535;
  }

  // Both directions, until the call has ended.
  void Exchange(Context& context, Stream& stream, grpc::ClientContext& call, Alarm& alarm) {
    std::ostream& out = context.streams.out;
    std::optional<InputPump> pump;
    v1::ConnectResponse response;
    bool far_side_finished = false;
    while (stream.Read(&response)) {
      if (response.has_opened() && !pump) {
        alarm.Clear();
        Remark(context, response.opened());
        StartPump(context.streams.in_descriptor, stream, call, alarm, pump);
      } else if (response.body_case() == v1::ConnectResponse::kData && !far_side_finished) {
        if (input_ended_ && patience_) alarm.Set(*patience_);
        out << response.data() << std::flush;
        if (!out) call.TryCancel();
      } else if (response.body_case() == v1::ConnectResponse::kFinish && pump) {
        // As nc does: when nothing more comes, nothing more is sent. What is on its way goes first: the end is in order.
        far_side_finished = true;
        pump->Stop();
        alarm.Clear();
        SendFinish(stream);
      }
    }
  }

  void StartPump(int descriptor, Stream& stream, grpc::ClientContext& call, Alarm& alarm,
                 std::optional<InputPump>& pump) {
    InputPump::Options options;
    options.descriptor = descriptor;
    if (udp) options.read_bytes = options.piece_bytes = kMaxDatagramBytes;
    const auto send = [&stream](std::string piece) {
      v1::ConnectRequest request;
      request.set_data(std::move(piece));
      return stream.Write(request);  // returns when there is room for more
    };
    const auto end = [this, &stream, &call, &alarm](int error) {
      input_error_ = error;
      if (error != 0) return call.TryCancel();  // not in order: what is cut must not look complete
      // Datagrams have no end; answers to the last ones are still to come.
      if (!udp) SendFinish(stream);
      input_ended_ = true;
      if (patience_) alarm.Set(*patience_);
    };
    pump.emplace(options, InputPump::Calls{send, end});
    opened_ = true;
  }

  // Once; the call's own half-close would say the same again.
  void SendFinish(Stream& stream) {
    if (std::exchange(finish_sent_, true)) return;
    v1::ConnectRequest request;
    request.set_finish(true);
    stream.Write(request);
  }

  static void Remark(Context& context, const v1::ConnectResponse::Opened& opened) {
    if (!context.streams.in_is_terminal || context.globals.quiet) return;
    context.streams.err << "connected";
    if (!opened.session().empty()) context.streams.err << " through " << SessionId(opened.session());
    context.streams.err << absl::StrFormat(" in %.0fms", Seconds(opened.elapsed()) * 1e3) << std::endl;
  }

  Outcome Judge(Context& context, const grpc::Status& status) const {
    if (!context.streams.out) return std::nullopt;  // main says so
    if (input_error_ != 0) {
      return Fail(ExitCode::kServer, absl::StrFormat("standard input cannot be read: %s", std::strerror(input_error_)));
    }
    if (status.ok()) return opened_ ? Outcome() : Fail(ExitCode::kUnreachable, "culvertd ended the call");
    if (expired_ && !input_ended_) {
      return Fail(ExitCode::kTimeout, absl::StrFormat("no answer within %s", context.globals.timeout_text),
                  "give it longer with --request-timeout");
    }
    if (expired_ && udp) return std::nullopt;
    if (expired_) {
      return Fail(ExitCode::kTimeout, absl::StrFormat("nothing came for %s after the end of the input", timeout_text));
    }
    Failure failure = context.client.Explain(status);
    if (IsRefusal(ServerError::Decode(status))) failure.faults = {"far side refused: " + failure.faults.front()};
    return failure;
  }

  v1::ConnectRequest::Open open_;
  std::optional<Duration> patience_;  // with silence once the input has ended
  bool opened_ = false;
  bool finish_sent_ = false;  // by the pump's thread, and by ours once that has stopped
  int input_error_ = 0;       // the same
  std::atomic<bool> input_ended_{false};
  std::atomic<bool> expired_{false};
};

}  // namespace

Verb AddConnect(CLI::App& root) {
  auto command = std::make_unique<Connect>();
  CLI::App* app =
      AddVerb(root, "connect",
              "Joins standard input and output to a stream, or a flow of datagrams, through a dialer's tunnel, like "
              "nc. Ends when the "
              "far side has finished.",
              "culvertctl connect dl/site-b db.internal:5432\n"
              "culvertctl connect dl/site-b db.internal:5432 < request > answer\n"
              "culvertctl connect dl/site-b                                where the far side's forward leads\n"
              "culvertctl connect dl/site-b dns.internal:53 --udp --timeout 1s < query > answer");
  app->add_option("dialer", command->subject, "NAME or dl/NAME of a dialer");
  app->add_option("destination", command->destination, "HOST:PORT for the far side to dial; none: its forward decides");
  app->add_flag("--udp", command->udp, "datagrams: each read of standard input, up to 65507 bytes, is one");
  app->add_option("--timeout", command->timeout_text,
                  "how long to wait for more once the input has ended (with --udp 3s, else without end)");
  return {app, std::move(command)};
}

}  // namespace culvert::cli
