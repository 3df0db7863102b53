// The two buffers of a stream. Offsets are those of RFC 9000: bytes since the stream began.
// Thread: one endpoint's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/quic/blocks.h"

namespace culvert::quic {

// Bytes in blocks, appended at the end and taken from the front. A byte stays where it is until it is taken.
class BlockQueue {
 public:
  explicit BlockQueue(BlockPool& pool) : pool_(pool) {}
  ~BlockQueue() { Clear(); }
  BlockQueue(const BlockQueue&) = delete;
  BlockQueue& operator=(const BlockQueue&) = delete;

  // From the first byte that is kept to the one behind the last.
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return end_; }
  size_t size() const { return static_cast<size_t>(end_ - begin_); }
  bool empty() const { return begin_ == end_; }

  void Append(ByteView bytes) {
    while (!bytes.empty()) {
      const size_t used = static_cast<size_t>(end_ - first_block_at_) % kBlockSize;
      if (blocks_.empty() || end_ == first_block_at_ + blocks_.size() * kBlockSize) blocks_.push_back(pool_.Take());
      const size_t count = std::min(bytes.size(), kBlockSize - used);
      std::memcpy(blocks_.back().get() + used, bytes.data(), count);
      end_ += count;
      bytes = bytes.subspan(count);
    }
  }
  // Shows the bytes from `offset` on and returns how many views were filled. REQUIRES: begin() <= offset <= end().
  size_t Show(uint64_t offset, std::span<ByteView> views) const {
    CULVERT_DCHECK(offset >= begin_ && offset <= end_);
    size_t count = 0;
    while (offset < end_ && count < views.size()) {
      const uint64_t in_queue = offset - first_block_at_;
      const size_t at = static_cast<size_t>(in_queue % kBlockSize);
      const size_t length = static_cast<size_t>(std::min<uint64_t>(kBlockSize - at, end_ - offset));
      views[count++] = ByteView(blocks_[static_cast<size_t>(in_queue / kBlockSize)].get() + at, length);
      offset += length;
    }
    return count;
  }
  // Lets go of everything before `offset`. REQUIRES: offset <= end().
  void TakeUntil(uint64_t offset) {
    CULVERT_DCHECK(offset <= end_);
    begin_ = std::max(begin_, offset);
    if (begin_ == end_) return Clear();
    size_t done = 0;
    while (first_block_at_ + kBlockSize <= begin_) {
      pool_.Give(std::move(blocks_[done++]));
      first_block_at_ += kBlockSize;
    }
    // At most some hundred pointers move.
    blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(done));
  }
  // Lets go of everything.
  void Clear() {
    for (Block& block : blocks_) pool_.Give(std::move(block));
    blocks_.clear();
    begin_ = first_block_at_ = end_;
  }

 private:
  BlockPool& pool_;
  std::vector<Block> blocks_;
  uint64_t first_block_at_ = 0;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
};

}  // namespace culvert::quic
