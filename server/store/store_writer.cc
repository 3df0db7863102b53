#include "server/store/store_writer.h"

#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "core/crypto/secret.h"
#include "core/io/monotonic_clock.h"
#include "core/io/thread_settings.h"
#include "server/error_builder.h"
#include "server/store/store_files.h"

namespace culvert::server {
namespace {

constexpr size_t kMaxTogether = 64;  // writes in one transaction

}  // namespace

StoreWriter::StoreWriter(ControlThread& control, std::string folder, absl::StatusOr<std::unique_ptr<ObjectStore>> opened,
                         Callbacks callbacks, Options options)
    : control_(control),
      folder_(std::move(folder)),
      options_(options),
      shared_(std::make_shared<Shared>()),
      was_opened_(opened.ok()),
      next_check_(io::Now() + options.check_every),
      next_copy_(io::Now() + options.copy_every) {
  shared_->callbacks = std::move(callbacks);
  if (opened.ok()) {
    store_ = *std::move(opened);
  } else {
    health_ = Explain(opened.status());
  }
  thread_ = std::thread([this] { Run(); });
}

StoreWriter::~StoreWriter() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->is_stopping = true;
  }
  shared_->changed.notify_one();
  thread_.join();
}

void StoreWriter::Write(std::vector<StoreChange> changes, std::function<void(absl::Status)> done) {
  Put(*shared_, {.changes = std::move(changes), .done = std::move(done)});
}

void StoreWriter::Put(Shared& shared, Item item) {
  {
    const std::lock_guard lock(shared.mutex);
    shared.items.push_back(std::move(item));
  }
  shared.changed.notify_one();
}

void StoreWriter::Run() {
  io::NameThread("store");
  for (;;) {
    std::vector<Item> items;
    bool is_last = false;
    {
      std::unique_lock lock(shared_->mutex);
      shared_->changed.wait_for(lock, std::max(Duration::zero(), next_check_ - io::Now()),
                                [&] { return shared_->is_stopping || !shared_->items.empty(); });
      while (!shared_->items.empty() && items.size() < kMaxTogether) {
        items.push_back(std::move(shared_->items.front()));
        shared_->items.pop_front();
      }
      is_last = shared_->is_stopping && shared_->items.empty();
    }
    Handle(std::move(items));
    if (is_last) return;
    if (io::Now() < next_check_) continue;
    CheckUp();
    next_check_ = io::Now() + options_.check_every;
  }
}

// In the order they came: what came before a snapshot was given is not in it, and what came after is to be written after it.
void StoreWriter::Handle(std::vector<Item> items) {
  std::vector<Item> writes;
  const auto commit = [&] {
    if (!writes.empty()) Commit(writes);
    writes.clear();
  };
  for (Item& item : items) {
    if (item.done) {
      writes.push_back(std::move(item));
      continue;
    }
    commit();
    is_waiting_ = false;
    if (item.snapshot) Restore(*item.snapshot);
    if (item.is_content_taken && store_ != nullptr) SetHealth(absl::OkStatus());
    if (item.snapshot) SecureErase({reinterpret_cast<uint8_t*>(item.snapshot->etag_key.data()), item.snapshot->etag_key.size()});
  }
  commit();
  if (health_.ok()) Tend();
}

void StoreWriter::Commit(const std::vector<Item>& writes) {
  if (!health_.ok()) {
    for (const Item& write : writes) Answer(write, health_);
    return;
  }
  std::vector<StoreChange> together;
  if (writes.size() > 1) {
    for (const Item& write : writes) together.insert(together.end(), write.changes.begin(), write.changes.end());
  }
  absl::Status status = store_->Commit(writes.size() > 1 ? together : writes.front().changes);
  if (absl::IsInvalidArgument(status)) {
    // One of them is too large: which, and only that.
    for (const Item& write : writes) {
      status = !health_.ok() ? health_ : writes.size() > 1 ? store_->Commit(write.changes) : status;
      if (absl::IsInvalidArgument(status)) {
        Answer(write, ErrorBuilder(status.code(), "OBJECT_TOO_LARGE", std::string(status.message())).Build());
      } else {
        if (!status.ok() && health_.ok()) SetHealth(Explain(status));
        Answer(write, health_);
      }
      has_changed_ |= status.ok();
    }
    return;
  }
  has_changed_ |= status.ok();
  // Known to be degraded before any of the answers makes somebody ask.
  if (!status.ok()) SetHealth(Explain(status));
  for (const Item& write : writes) Answer(write, health_);
}

void StoreWriter::Restore(const Snapshot& snapshot) {
  if (store_ == nullptr) return;  // it was lost again meanwhile
  const absl::Status status = store_->Replace(snapshot.objects, snapshot.etag_key);
  has_changed_ = true;
  SetHealth(status.ok() ? status : Explain(status));
}

void StoreWriter::CheckUp() {
  if (!health_.ok()) return Reopen();
  if (const absl::Status status = store_->Check(); !status.ok()) return SetHealth(Explain(status));
  if (!has_changed_ || io::Now() < next_copy_) return;
  next_copy_ = io::Now() + options_.copy_every;
  has_changed_ = false;
  if (const absl::Status status = store_->EmptyLog(); !status.ok()) return SetHealth(Explain(status));
  if (const absl::Status status = store_->KeepCopy(); !status.ok()) {
    Log(LogLevel::kWarning, "store", "cannot keep a copy", {{"err.message", std::string(status.message())}});
  }
}

void StoreWriter::Reopen() {
  if (is_waiting_) return;
  store_.reset();
  absl::Status status = CheckRoom(folder_);  // spares reading everything when nothing could be written
  StoreContent content;
  if (status.ok()) {
    absl::StatusOr<std::unique_ptr<ObjectStore>> opened = ObjectStore::Open(folder_, random_, content);
    status = opened.status();
    if (opened.ok()) store_ = *std::move(opened);
  }
  if (!status.ok()) return SetHealth(Explain(status));
  if (!content.fault.empty()) {
    Log(LogLevel::kWarning, "store", was_opened_ ? "found damaged; everything is stored anew" : "found damaged",
        {{"err.message", content.fault}});
  }
  is_waiting_ = true;
  const std::shared_ptr<Shared> shared = shared_;
  if (was_opened_) {
    SecureErase({reinterpret_cast<uint8_t*>(content.etag_key.data()), content.etag_key.size()});
    control_.PostReply([shared] {
      if (shared->is_stopping) return;
      Put(*shared, {.snapshot = shared->callbacks.snapshot()});
    });
    return;
  }
  was_opened_ = true;
  control_.PostReply([shared, content = std::move(content)]() mutable {
    if (shared->is_stopping) return;
    shared->callbacks.on_content(std::move(content));
    Put(*shared, {.is_content_taken = true});
  });
}

// A log that is large takes long to read at the next start. Not before the answers: they need not wait for it.
void StoreWriter::Tend() {
  if (store_->log_bytes() < options_.max_log_bytes) return;
  if (const absl::Status status = store_->EmptyLog(); !status.ok()) SetHealth(Explain(status));
}

void StoreWriter::SetHealth(absl::Status health) {
  // After an error what the connection holds is not to be trusted.
  if (!health.ok()) store_.reset();
  if (health == health_) return;
  health_ = std::move(health);
  control_.PostReply([shared = shared_, status = health_] {
    if (!shared->is_stopping) shared->callbacks.on_health(status);
  });
}

absl::Status StoreWriter::Explain(const absl::Status& status) const {
  return StateNotWritable(status.code(), folder_ + "/" + kStoreFile, std::string(status.message()));
}

void StoreWriter::Answer(const Item& write, absl::Status status) {
  control_.PostReply([done = write.done, status = std::move(status)] { done(status); });
}

}  // namespace culvert::server
