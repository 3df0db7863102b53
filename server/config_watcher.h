// ConfigWatcher: reads the configuration folders again when something changed in them, on a thread of its own. Changes that come one after the
// other are taken together, once nothing has come for a moment. It also looks by itself now and then, at times and sizes: a file system may
// have no notifications. What was refused is tried again with every such look: its reason may be elsewhere.
// Thread: any.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/time.h"
#include "core/io/folder_watch.h"
#include "server/file_objects.h"

namespace culvert::server {

class ConfigWatcher {
 public:
  struct Options {
    std::vector<std::string> folders;
    Duration quiet_time = std::chrono::milliseconds(300);
    Duration most_delay = std::chrono::seconds(2);  // of a change in folders that are never quiet
    Duration look_interval = std::chrono::seconds(10);
  };
  // Called on its thread with what the folders hold; `accepted` may be called from any thread.
  using OnChange = std::function<void(ConfigFiles files, std::function<void(bool)> accepted)>;

  // `seen`: the stamp of what is in force (StampOf), from before it was read. Errors: RESOURCE_EXHAUSTED.
  static absl::StatusOr<std::unique_ptr<ConfigWatcher>> Start(Options options, uint64_t seen, OnChange on_change);
  // Waits for a call of OnChange that runs.
  ~ConfigWatcher();
  ConfigWatcher(const ConfigWatcher&) = delete;
  ConfigWatcher& operator=(const ConfigWatcher&) = delete;

  // Reads the folders now, whether anything seems to have changed or not.
  void LookNow();

  // Tells cheaply whether anything in the folders may have changed.
  static uint64_t StampOf(const std::vector<std::string>& folders);

 private:
  ConfigWatcher(Options options, uint64_t seen, OnChange on_change, std::unique_ptr<io::FolderWatch> watch);
  void Run();
  void Look(uint64_t stamp, bool whatever);

  const Options options_;
  const OnChange on_change_;
  const std::unique_ptr<io::FolderWatch> watch_;
  const std::shared_ptr<std::atomic<bool>> is_refused_ = std::make_shared<std::atomic<bool>>(false);
  std::atomic<bool> stopping_{false};
  uint64_t seen_;  // the thread's
  std::thread thread_;
};

}  // namespace culvert::server
