// What must still be sent when its owner is done with it.
// Thread: confined to one worker.
#pragma once

#include <memory>

namespace culvert::server {

// Ends by itself, within a bounded time.
class Lingering {
 public:
  virtual ~Lingering() = default;
  [[nodiscard]] virtual bool is_done() const = 0;
};

class LingeringKeeper {
 public:
  // Keeps it until it is done, or until the keeper ends itself.
  virtual void Keep(std::unique_ptr<Lingering> lingering) = 0;

 protected:
  ~LingeringKeeper() = default;
};

}  // namespace culvert::server
