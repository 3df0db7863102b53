#include "server/config_watcher.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "core/base/status_macros.h"
#include "core/io/file_stamp.h"
#include "core/io/monotonic_clock.h"
#include "core/io/thread_settings.h"
#include "proto/manifest/manifest.h"

namespace culvert::server {

absl::StatusOr<std::unique_ptr<ConfigWatcher>> ConfigWatcher::Start(Options options, uint64_t seen, OnChange on_change) {
  CULVERT_ASSIGN_OR_RETURN(std::unique_ptr<io::FolderWatch> watch, io::FolderWatch::Create(options.folders));
  return std::unique_ptr<ConfigWatcher>(new ConfigWatcher(std::move(options), seen, std::move(on_change), std::move(watch)));
}

ConfigWatcher::ConfigWatcher(Options options, uint64_t seen, OnChange on_change, std::unique_ptr<io::FolderWatch> watch)
    : options_(std::move(options)), on_change_(std::move(on_change)), watch_(std::move(watch)), seen_(seen), thread_([this] { Run(); }) {}

ConfigWatcher::~ConfigWatcher() {
  stopping_ = true;
  watch_->Wake();
  thread_.join();
}

void ConfigWatcher::LookNow() { watch_->Wake(); }

uint64_t ConfigWatcher::StampOf(const std::vector<std::string>& folders) {
  const absl::StatusOr<std::vector<std::string>> files = manifest::FilesOf(folders);
  if (!files.ok()) return std::hash<std::string>()(std::string(files.status().message()));
  uint64_t stamp = 0;
  for (const std::string& file : *files) stamp = stamp * 31 + (std::hash<std::string>()(file) ^ io::FileStamp(file));
  return stamp;
}

void ConfigWatcher::Run() {
  io::NameThread("config");
  TimePoint look_due = io::Now();  // what changed before the folders were watched
  std::optional<TimePoint> changed_first, changed_last;
  uint64_t changing = seen_;  // the stamp when it was last found changing
  while (!stopping_) {
    TimePoint due = look_due;
    if (changed_last) due = std::min(due, std::min(*changed_last + options_.quiet_time, *changed_first + options_.most_delay));
    const io::FolderWatch::Event event = watch_->Wait(due - io::Now());
    const TimePoint now = io::Now();
    if (stopping_) return;
    if (event == io::FolderWatch::Event::kChange) {
      if (!changed_first) changed_first = now;
      changed_last = now;
      continue;
    }
    if (event == io::FolderWatch::Event::kNothing && now < due) continue;
    watch_->WatchAgain();  // first: what changes while it is read must not be missed
    look_due = now + options_.look_interval;
    const uint64_t stamp = StampOf(options_.folders);
    // A file that is being written is not looked into, whoever tells of it: half of it may be a valid declaration of less.
    const bool is_quiet = changed_last && stamp == changing && now >= *changed_last + options_.quiet_time;
    const bool is_late = changed_first && now >= *changed_first + options_.most_delay;
    if (event != io::FolderWatch::Event::kWake && stamp != seen_ && !is_quiet && !is_late) {
      changing = stamp;
      if (!changed_first) changed_first = now;
      changed_last = now;
      continue;
    }
    changed_first = changed_last = std::nullopt;
    Look(stamp, event == io::FolderWatch::Event::kWake);
  }
}

void ConfigWatcher::Look(uint64_t stamp, bool whatever) {
  if (!whatever && !*is_refused_ && stamp == seen_) return;
  seen_ = stamp;
  on_change_(ReadConfigFiles(options_.folders), [is_refused = is_refused_](bool accepted) { *is_refused = !accepted; });
}

}  // namespace culvert::server
