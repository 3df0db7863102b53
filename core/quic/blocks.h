// Blocks for stream data in both directions, taken from a pool so that the data path allocates only when it grows beyond anything
// seen before. Idle streams hold none.
// Thread: one endpoint's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace culvert::quic {

inline constexpr size_t kBlockSize = 16 * 1024;

using Block = std::unique_ptr<uint8_t[]>;

class BlockPool {
 public:
  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  Block Take() {
    ++in_use_;
    if (free_.empty()) return std::make_unique_for_overwrite<uint8_t[]>(kBlockSize);
    Block block = std::move(free_.back());
    free_.pop_back();
    return block;
  }
  // Keeps some for the next who asks; what a burst needed goes back to the system.
  void Give(Block block) {
    --in_use_;
    if (free_.size() < kKept) free_.push_back(std::move(block));
  }
  size_t in_use() const { return in_use_; }

 private:
  static constexpr size_t kKept = 512;  // 8 MiB

  std::vector<Block> free_;
  size_t in_use_ = 0;
};

}  // namespace culvert::quic
