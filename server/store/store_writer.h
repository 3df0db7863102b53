// StoreWriter: the thread that waits for the disk, so that the control thread never does.
//
// The table of objects in memory is the truth while the daemon runs. What is written is answered once it is on the disk. When the
// store is lost, replaced, damaged, full or read-only, the writer says so within `check_every`, refuses writes, so that acknowledged
// always means stored, tries again every `check_every`, and when the cause has ended stores everything anew and says that too.
// Writes that come while one is being written share the next transaction; each gets its own answer.
// Errors of a write, with reason STATE_NOT_WRITABLE: RESOURCE_EXHAUSTED disk or quota full; FAILED_PRECONDITION read-only, not
//   permitted, removed, replaced; DATA_LOSS damaged; INTERNAL I/O error. With reason OBJECT_TOO_LARGE, and no other consequence:
//   INVALID_ARGUMENT. After an error the change is not stored, unless the daemon ends before the writer stored everything anew.
// Thread: all methods on the control thread, where all callbacks run too; or after it stopped.
// Source: reliability.md F19, T62.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/time.h"
#include "core/crypto/system_random.h"
#include "server/control_thread.h"
#include "server/store/object_store.h"

namespace culvert::server {

class StoreWriter {
 public:
  struct Snapshot {
    std::vector<v1::Object> objects;
    std::string etag_key;  // empty: keep the one in the store
  };
  struct Callbacks {
    // Everything that was acknowledged, and nothing else: the effect of each change whose `done` has run with OK.
    std::function<Snapshot()> snapshot;
    // At every change, also of the reason; not at the start.
    std::function<void(absl::Status)> on_health;
    // The store could not be opened when the daemon started and can now. What it holds was never changed in this run: take it as at
    // a start. Writes are refused until this has run.
    std::function<void(StoreContent)> on_content;
  };
  struct Options {
    Duration check_every = std::chrono::seconds(1);
    Duration copy_every = std::chrono::minutes(1);  // at most; and only after changes
    int64_t max_log_bytes = 4 * 1024 * 1024;        // then it is emptied
  };

  // `opened`: what ObjectStore::Open on `folder` said; on an error the writer begins degraded.
  StoreWriter(ControlThread& control, std::string folder, absl::StatusOr<std::unique_ptr<ObjectStore>> opened, Callbacks callbacks,
              Options options);
  // Writes what waits; answers come if the control thread still runs. No callback but these runs any more.
  ~StoreWriter();
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  // All of `changes` or, on an error, none. `done` runs exactly once, unless the control thread stops first.
  void Write(std::vector<StoreChange> changes, std::function<void(absl::Status)> done);

 private:
  struct Item {  // one of three
    std::vector<StoreChange> changes;
    std::function<void(absl::Status)> done;
    std::optional<Snapshot> snapshot;
    bool is_content_taken = false;
  };
  // What tasks on the control thread use, which may run after the writer is gone.
  struct Shared {
    Callbacks callbacks;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Item> items;  // guarded by mutex
    std::atomic<bool> is_stopping{false};  // set under it
  };

  void Run();
  void Handle(std::vector<Item> items);
  void Commit(const std::vector<Item>& writes);
  void Restore(const Snapshot& snapshot);
  void CheckUp();
  void Reopen();
  void Tend();
  void SetHealth(absl::Status health);
  absl::Status Explain(const absl::Status& status) const;
  void Answer(const Item& write, absl::Status status);
  static void Put(Shared& shared, Item item);

  ControlThread& control_;
  const std::string folder_;
  const Options options_;
  const std::shared_ptr<Shared> shared_;
  // The thread's own.
  SystemRandom random_;
  std::unique_ptr<ObjectStore> store_;
  absl::Status health_;
  bool was_opened_;         // in this run; so what is stored is what was acknowledged, or older
  bool is_waiting_ = false;  // for a snapshot, or for content to be taken
  bool has_changed_ = false;
  TimePoint next_check_;
  TimePoint next_copy_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace culvert::server
