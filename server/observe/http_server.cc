#include "server/observe/http_server.h"

#include <httplib.h>

#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace culvert::server {
namespace {

// httplib's own pool takes whatever comes; this one lets who accepts wait, so that the rest stays in the kernel's queue, which has a bound.
class BoundedPool final : public httplib::TaskQueue {
 public:
  BoundedPool() {
    for (size_t i = 0; i < HttpServer::kThreads; ++i) threads_.emplace_back([this] { Run(); });
  }

  void enqueue(std::function<void()> task) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return tasks_.size() < HttpServer::kMaxWaiting; });
    tasks_.push_back(std::move(task));
    changed_.notify_all();
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return is_over_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      changed_.notify_all();
      lock.unlock();
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
  bool is_over_ = false;                     // as well
  std::vector<std::thread> threads_;
};

// "HOST:PORT", "[HOST]:PORT" and ":PORT" apart.
bool SplitAddress(const std::string& address, std::string& host, int& port) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return false;
  host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return false;
  }
  const char* end = address.data() + address.size();
  const auto [at, error] = std::from_chars(address.data() + colon + 1, end, port);
  return error == std::errc() && at == end && port >= 0 && port <= 65535;
}

class Server final : public HttpServer {
 public:
  explicit Server(std::map<std::string, Page> pages) {
    server_.new_task_queue = [] { return new BoundedPool; };
    server_.set_keep_alive_max_count(1);
    server_.set_read_timeout(kMostSeconds);
    server_.set_write_timeout(kMostSeconds);
    server_.set_payload_max_length(1024);
    // Not SO_REUSEPORT, which is its default: another process that sits on the port must show.
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    for (auto& [path, page] : pages) {
      server_.Get(path, [page = std::move(page)](const httplib::Request&, httplib::Response& response) {
        HttpAnswer answer = page();
        response.status = answer.status;
        response.set_content(answer.body, answer.content_type);
      });
    }
  }

  ~Server() override {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Listen(const std::string& address) {
    std::string host;
    int port = 0;
    if (!SplitAddress(address, host, port)) return absl::InvalidArgumentError(absl::StrCat(address, " is not HOST:PORT, [HOST]:PORT or :PORT"));
    const std::vector<std::string> hosts = host.empty() ? std::vector<std::string>{"::", "0.0.0.0"} : std::vector<std::string>{host};
    for (const std::string& one : hosts) {
      if (port == 0) {
        port_ = server_.bind_to_any_port(one);
      } else if (server_.bind_to_port(one, port)) {
        port_ = port;
      }
      if (port_ > 0) break;
    }
    if (port_ <= 0) return absl::FailedPreconditionError(absl::StrCat("cannot listen on ", address, ": another process may"));
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();  // stop() before that would be lost
    return absl::OkStatus();
  }

  int port() const override { return port_; }

 private:
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address, std::map<std::string, Page> pages) {
  auto server = std::make_unique<Server>(std::move(pages));
  const absl::Status status = server->Listen(address);
  if (!status.ok()) return status;
  return server;
}

}  // namespace culvert::server
