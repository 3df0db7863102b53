#include "server/worker_directory.h"

#include <utility>

namespace culvert::server {

void WorkerDirectory::Register(uint32_t worker, Post post, Take take, TakeConnection take_connection) {
  auto entry = std::make_shared<Entry>();
  entry->post = std::move(post);
  entry->take = std::move(take);
  entry->take_connection = std::move(take_connection);
  const std::lock_guard lock(mutex_);
  workers_[worker] = std::move(entry);
}

void WorkerDirectory::Unregister(uint32_t worker) {
  const std::lock_guard lock(mutex_);
  workers_.erase(worker);
}

size_t WorkerDirectory::worker_count() const {
  const std::lock_guard lock(mutex_);
  return workers_.size();
}

bool WorkerDirectory::HandOver(uint32_t worker, HandoverBatch batch) {
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = workers_.find(worker);
    if (found == workers_.end()) return false;
    entry = found->second;
  }
  const size_t count = batch.items.size();
  if (entry->waiting.fetch_add(count) + count > kMaxWaiting) {
    entry->waiting.fetch_sub(count);
    return false;
  }
  // std::function wants to be copied; the batch need not be.
  auto shared = std::make_shared<HandoverBatch>(std::move(batch));
  if (entry->post([entry, shared, count] {
        entry->waiting.fetch_sub(count);
        entry->take(*shared);
      })) {
    return true;
  }
  entry->waiting.fetch_sub(count);
  return false;
}

bool WorkerDirectory::HandOver(uint32_t worker, const ObjectId& listener, io::TcpSocket connection, const SocketAddress& peer) {
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = workers_.find(worker);
    if (found != workers_.end()) entry = found->second;
  }
  auto shared = std::make_shared<io::TcpSocket>(std::move(connection));
  if (entry != nullptr && entry->take_connection &&
      entry->post([entry, shared, listener, peer] { entry->take_connection(listener, std::move(*shared), peer); })) {
    return true;
  }
  shared->Reset();
  return false;
}

void HandoverOutbox::Add(uint32_t worker, const SocketAddress& peer, Ecn ecn, ByteView bytes) {
  HandoverBatch& batch = batches_[worker];
  batch.items.push_back({peer, ecn, bytes.size()});
  batch.bytes.insert(batch.bytes.end(), bytes.begin(), bytes.end());
}

size_t HandoverOutbox::Send(const ObjectId& listener, WorkerDirectory* directory) {
  size_t lost = 0;
  for (auto& [worker, batch] : batches_) {
    const size_t count = batch.items.size();
    batch.listener = listener;
    if (directory == nullptr || !directory->HandOver(worker, std::move(batch))) lost += count;
  }
  batches_.clear();
  return lost;
}

}  // namespace culvert::server
