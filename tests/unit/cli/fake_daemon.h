// A control service that answers what a test tells it to, on a Unix socket in a folder of its own, and culvertctl run
// against it in this process.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/app.h"
#include "culvert/v1/access.grpc.pb.h"
#include "culvert/v1/config.grpc.pb.h"
#include "culvert/v1/daemon.grpc.pb.h"
#include "culvert/v1/dialer.grpc.pb.h"
#include "culvert/v1/forward.grpc.pb.h"
#include "culvert/v1/listener.grpc.pb.h"
#include "culvert/v1/observe.grpc.pb.h"
#include "culvert/v1/session.grpc.pb.h"
#include "grpcpp/server.h"

namespace culvert::cli {

// An error as the daemon makes it: the status with google.rpc details in its trailers.
grpc::Status ErrorWithDetails(grpc::StatusCode code, const std::string& message, const std::string& reason,
                              const std::vector<const google::protobuf::Message*>& details = {});

struct Answer {
  int code = 0;
  std::string out;
  std::string err;
};

class FakeDaemon : private v1::ListenerService::Service,
                   private v1::DialerService::Service,
                   private v1::ForwardService::Service,
                   private v1::SessionService::Service,
                   private v1::ObserveService::Service,
                   private v1::ConfigService::Service,
                   private v1::DaemonService::Service,
                   private v1::AccessService::Service {
 public:
  FakeDaemon();
  ~FakeDaemon() override;

  // Runs culvertctl with --address of this daemon in front. `input` is standard input; with a terminal it may be asked.
  Answer Run(std::vector<std::string> arguments, const std::string& input = "", bool terminal = false);
  // The same without an address.
  Answer RunHere(std::vector<std::string> arguments, const std::string& input = "", bool terminal = false);
  // The same as Run with a descriptor as standard input and an output of the caller's. Answer::out stays empty.
  Answer RunOn(int input, std::ostream& out, std::vector<std::string> arguments, bool terminal = false);
  // A file in the daemon's folder.
  std::string Write(const std::string& name, const std::string& text);
  // The folder itself.
  std::string folder() const { return folder_.string(); }
  // Of every run from now on: its surroundings, and what is special about its streams (a terminal, a clock).
  Environment environment;
  std::function<void(Streams&)> arrange = [](Streams&) {};
  std::string socket() const { return (folder_ / "control.sock").string(); }

  // What it holds and has been told.
  std::vector<v1::Listener> listeners;
  std::vector<v1::Dialer> dialers;
  std::vector<v1::Forward> forwards;
  std::vector<v1::Session> sessions;
  std::vector<v1::Stream> streams;
  std::vector<v1::UdpFlow> flows;
  std::vector<v1::ListEventsResponse> events;  // one message each
  v1::Daemon daemon;
  std::vector<v1::Drain> drains;  // one for each time somebody asks, the last one again and again; empty: that of `daemon`
  v1::StartDrainRequest last_drain;
  int cancels = 0;
  v1::ReloadCredentialsResponse reloaded;
  std::vector<v1::ProbeDialerResponse> probe_steps;
  std::vector<v1::WatchStatsResponse> stats;
  std::vector<v1::TapResponse> taps;
  std::vector<v1::TailLogsResponse> logs;
  v1::GetConfigStatusResponse config_status;
  v1::WhoAmIResponse who;  // an operator; allowed is what a viewer may
  std::vector<std::string> asked_permissions;
  std::function<grpc::Status(const v1::ApplyRequest&, v1::ApplyResponse*)> on_apply;
  std::function<grpc::Status(const std::string& kind_and_name, bool force)> on_delete;
  using ConnectStream = grpc::ServerReaderWriter<v1::ConnectResponse, v1::ConnectRequest>;
  std::function<grpc::Status(const v1::ConnectRequest::Open&, ConnectStream&)> on_connect;  // behind the first request
  std::function<void(grpc::ServerWriter<v1::ListEventsResponse>&)> on_follow;               // behind the events
  // Before a create or update is looked at: what others do meanwhile, or an answer of its own.
  std::function<grpc::Status(const v1::Object&)> on_change;
  std::vector<v1::Warning> warnings;  // of every create and update
  std::vector<v1::WatchResponse> watched;
  v1::Object last_change;               // that a create or update asked for
  std::vector<std::string> last_mask;   // of the last update
  std::vector<std::string> request_ids;
  bool last_validate_only = false;
  int changes = 0;                      // creates and updates that came
  std::string last_filter;              // of the last list
  v1::WatchRequest last_watch_request;
  int watches = 0;
  std::map<std::string, std::string> variables;    // of every run, before those of `environment`
  bool out_is_terminal = false;                    // of Run
  std::function<grpc::Status(int lists)> on_list_streams;  // before streams are listed from the beginning, for the so-manieth time
  using WatchWriter = grpc::ServerWriter<v1::WatchResponse>;
  // Behind the messages of `watched`; without it the stream ends as a stopping daemon's does.
  std::function<grpc::Status(const v1::WatchRequest&, WatchWriter&)> on_watch;
  v1::ApplyRequest last_apply;
  int applies = 0;
  v1::ProbeDialerRequest last_probe;
  v1::CloseSessionRequest last_close;
  std::vector<v1::CloseSessionRequest> closes;
  v1::CloseStreamRequest last_close_stream;
  v1::CloseUdpFlowRequest last_close_flow;
  v1::ListEventsRequest last_events;
  v1::WatchStatsRequest last_watch;
  v1::TapRequest last_tap;
  v1::TailLogsRequest last_logs;
  v1::ListListenersRequest last_list;        // of any kind: page, filter and order
  v1::ListSessionsRequest last_session_list;
  int stream_lists = 0;  // how often streams were listed from the beginning
  std::vector<std::string> deleted;  // "forward/pg", in order
  google::protobuf::Duration drain_timeout;  // that the last one asked for

 private:
  using Ctx = grpc::ServerContext;
  Environment Surroundings() const;
  // Two objects a page, whatever was asked for, so that paging is always exercised.
  template <typename Object, typename Request, typename Response, typename Add>
  grpc::Status List(const std::vector<Object>& objects, const Request& request, Response* response, Add&& add) {
    last_list.set_filter(request.filter());
    last_list.set_order_by(request.order_by());
    size_t at = request.page_token().empty() ? 0 : std::stoul(request.page_token());
    for (int i = 0; i < 2 && at < objects.size(); ++i, ++at) add(objects[at]);
    if (at < objects.size()) response->set_next_page_token(std::to_string(at));
    return grpc::Status::OK;
  }
  grpc::Status ListListeners(Ctx*, const v1::ListListenersRequest*, v1::ListListenersResponse*) override;
  grpc::Status GetListener(Ctx*, const v1::GetListenerRequest*, v1::GetListenerResponse*) override;
  grpc::Status CreateListener(Ctx*, const v1::CreateListenerRequest*, v1::CreateListenerResponse*) override;
  grpc::Status UpdateListener(Ctx*, const v1::UpdateListenerRequest*, v1::UpdateListenerResponse*) override;
  grpc::Status DeleteListener(Ctx*, const v1::DeleteListenerRequest*, v1::DeleteListenerResponse*) override;
  grpc::Status ListDialers(Ctx*, const v1::ListDialersRequest*, v1::ListDialersResponse*) override;
  grpc::Status GetDialer(Ctx*, const v1::GetDialerRequest*, v1::GetDialerResponse*) override;
  grpc::Status CreateDialer(Ctx*, const v1::CreateDialerRequest*, v1::CreateDialerResponse*) override;
  grpc::Status UpdateDialer(Ctx*, const v1::UpdateDialerRequest*, v1::UpdateDialerResponse*) override;
  grpc::Status DeleteDialer(Ctx*, const v1::DeleteDialerRequest*, v1::DeleteDialerResponse*) override;
  grpc::Status ProbeDialer(Ctx*, const v1::ProbeDialerRequest*, grpc::ServerWriter<v1::ProbeDialerResponse>*) override;
  grpc::Status ListForwards(Ctx*, const v1::ListForwardsRequest*, v1::ListForwardsResponse*) override;
  grpc::Status GetForward(Ctx*, const v1::GetForwardRequest*, v1::GetForwardResponse*) override;
  grpc::Status CreateForward(Ctx*, const v1::CreateForwardRequest*, v1::CreateForwardResponse*) override;
  grpc::Status UpdateForward(Ctx*, const v1::UpdateForwardRequest*, v1::UpdateForwardResponse*) override;
  grpc::Status DeleteForward(Ctx*, const v1::DeleteForwardRequest*, v1::DeleteForwardResponse*) override;
  grpc::Status ListSessions(Ctx*, const v1::ListSessionsRequest*, v1::ListSessionsResponse*) override;
  grpc::Status GetSession(Ctx*, const v1::GetSessionRequest*, v1::GetSessionResponse*) override;
  grpc::Status CloseSession(Ctx*, const v1::CloseSessionRequest*, v1::CloseSessionResponse*) override;
  grpc::Status ListStreams(Ctx*, const v1::ListStreamsRequest*, v1::ListStreamsResponse*) override;
  grpc::Status CloseStream(Ctx*, const v1::CloseStreamRequest*, v1::CloseStreamResponse*) override;
  grpc::Status ListUdpFlows(Ctx*, const v1::ListUdpFlowsRequest*, v1::ListUdpFlowsResponse*) override;
  grpc::Status CloseUdpFlow(Ctx*, const v1::CloseUdpFlowRequest*, v1::CloseUdpFlowResponse*) override;
  grpc::Status Connect(Ctx*, ConnectStream*) override;
  grpc::Status ListEvents(Ctx*, const v1::ListEventsRequest*, grpc::ServerWriter<v1::ListEventsResponse>*) override;
  grpc::Status Watch(Ctx*, const v1::WatchRequest*, WatchWriter*) override;
  grpc::Status WatchStats(Ctx*, const v1::WatchStatsRequest*, grpc::ServerWriter<v1::WatchStatsResponse>*) override;
  grpc::Status Tap(Ctx*, const v1::TapRequest*, grpc::ServerWriter<v1::TapResponse>*) override;
  grpc::Status TailLogs(Ctx*, const v1::TailLogsRequest*, grpc::ServerWriter<v1::TailLogsResponse>*) override;
  grpc::Status GetConfigStatus(Ctx*, const v1::GetConfigStatusRequest*, v1::GetConfigStatusResponse*) override;
  grpc::Status Apply(Ctx*, const v1::ApplyRequest*, v1::ApplyResponse*) override;
  grpc::Status Export(Ctx*, const v1::ExportRequest*, v1::ExportResponse*) override;
  grpc::Status WhoAmI(Ctx*, const v1::WhoAmIRequest*, v1::WhoAmIResponse*) override;
  grpc::Status TestPermissions(Ctx*, const v1::TestPermissionsRequest*, v1::TestPermissionsResponse*) override;
  grpc::Status GetDaemon(Ctx*, const v1::GetDaemonRequest*, v1::GetDaemonResponse*) override;
  grpc::Status StartDrain(Ctx*, const v1::StartDrainRequest*, v1::StartDrainResponse*) override;
  grpc::Status CancelDrain(Ctx*, const v1::CancelDrainRequest*, v1::CancelDrainResponse*) override;
  grpc::Status ReloadCredentials(Ctx*, const v1::ReloadCredentialsRequest*, v1::ReloadCredentialsResponse*) override;
  v1::Drain NextDrain();

  template <typename Body, typename Request, typename Response>
  grpc::Status Create(std::vector<Body>& bodies, const Request& request, const Body& body, Body* out, Response* response);
  template <typename Body, typename Request, typename Response>
  grpc::Status Update(std::vector<Body>& bodies, const Request& request, const Body& body, Body* out, Response* response);

  std::filesystem::path folder_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace culvert::cli
