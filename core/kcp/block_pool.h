// BlockPool: fixed-size blocks for segment payloads, carved from slabs, so that the data path allocates only when a
// connection grows beyond anything seen before.
// Thread: one endpoint's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/check.h"

namespace culvert::kcp {

class BlockPool {
 public:
  explicit BlockPool(size_t block_size) : block_size_(block_size) {}
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  size_t block_size() const { return block_size_; }
  size_t in_use() const { return slabs_.size() * kBlocksPerSlab - free_.size(); }

  uint8_t* Take() {
    if (free_.empty()) Grow();
    uint8_t* block = free_.back();
    free_.pop_back();
    return block;
  }
  void Give(uint8_t* block) {
    CULVERT_DCHECK(block != nullptr);
    free_.push_back(block);
    // An idle endpoint gives its memory back; a busy one never gets here.
    if (free_.size() == slabs_.size() * kBlocksPerSlab && slabs_.size() > kKeptSlabs) {
      free_.clear();
      slabs_.clear();
    }
  }

 private:
  static constexpr size_t kBlocksPerSlab = 64;
  static constexpr size_t kKeptSlabs = 32;

  void Grow() {
    slabs_.push_back(std::make_unique_for_overwrite<uint8_t[]>(block_size_ * kBlocksPerSlab));
    free_.reserve(slabs_.size() * kBlocksPerSlab);
    uint8_t* slab = slabs_.back().get();
    for (size_t i = kBlocksPerSlab; i-- > 0;) free_.push_back(slab + i * block_size_);
  }

  size_t block_size_;
  std::vector<std::unique_ptr<uint8_t[]>> slabs_;
  std::vector<uint8_t*> free_;
};

}  // namespace culvert::kcp
