// ConversationTable: which connection a datagram belongs to, and which conversations ended a moment ago.
// Keys come from peers, so they are hashed with a secret (reliability T10).
// Thread: one worker. Source: spec/mkcp.md section 15; quirks K6 (tombstones).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "core/base/address.h"
#include "core/base/serial_number.h"
#include "core/base/slot_map.h"
#include "core/base/time.h"
#include "core/crypto/keyed_hash.h"

namespace culvert::kcp {

struct ConversationKey {
  SocketAddress peer;
  uint16_t conversation_id = 0;
  friend bool operator==(const ConversationKey&, const ConversationKey&) = default;
};

class ConversationTable {
 public:
  // How long a late datagram must not open a conversation anew (section 18 point 11).
  static constexpr Duration kTombstoneTime = std::chrono::seconds(15);
  static constexpr size_t kMaxTombstones = 65536;

  explicit ConversationTable(const KeyedHash& hash) : connections_(0, Hash{&hash}), tombstones_(0, Hash{&hash}) {}

  std::optional<SlotHandle> Find(const ConversationKey& key) const {
    const auto it = connections_.find(key);
    return it == connections_.end() ? std::nullopt : std::optional<SlotHandle>(it->second);
  }
  void Insert(const ConversationKey& key, SlotHandle handle) { connections_[key] = handle; }
  // What is left of a conversation: what its terminates said, and how often that may be said again. Without a limit the
  // tombstones of two ends would answer each other.
  struct Tombstone {
    TimePoint expires_at{};
    SerialNumber sending_next;
    SerialNumber receiving_next;
    uint32_t answers_left = 4;
  };
  // Removes it and keeps a tombstone.
  void Bury(TimePoint now, const ConversationKey& key, SerialNumber sending_next, SerialNumber receiving_next) {
    connections_.erase(key);
    Expire(now);
    if (order_.size() >= kMaxTombstones) DropOldest();
    tombstones_[key] = {now + kTombstoneTime, sending_next, receiving_next};
    order_.push_back(key);
  }
  void Erase(const ConversationKey& key) { connections_.erase(key); }
  // The tombstone of `key`, nullptr when there is none. Good until the next change.
  Tombstone* FindTombstone(TimePoint now, const ConversationKey& key) {
    const auto it = tombstones_.find(key);
    return it != tombstones_.end() && now < it->second.expires_at ? &it->second : nullptr;
  }
  bool IsFree(TimePoint now, const ConversationKey& key) {
    return !connections_.contains(key) && FindTombstone(now, key) == nullptr;
  }

 private:
  struct Hash {
    const KeyedHash* keyed;
    size_t operator()(const ConversationKey& key) const {
      uint8_t bytes[16 + 2 + 2];
      std::memcpy(bytes, key.peer.ip.bytes().data(), 16);
      StoreBigEndian16(bytes + 16, key.peer.port);
      StoreBigEndian16(bytes + 18, key.conversation_id);
      return static_cast<size_t>((*keyed)(bytes));
    }
  };
  void Expire(TimePoint now) {
    while (!order_.empty()) {
      const auto it = tombstones_.find(order_.front());
      if (it != tombstones_.end() && now < it->second.expires_at) break;
      DropOldest();
    }
  }
  void DropOldest() {
    tombstones_.erase(order_.front());
    order_.pop_front();
  }

  absl::flat_hash_map<ConversationKey, SlotHandle, Hash> connections_;
  absl::flat_hash_map<ConversationKey, Tombstone, Hash> tombstones_;
  std::deque<ConversationKey> order_;  // of burial
};

}  // namespace culvert::kcp
