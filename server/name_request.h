// NameRequest: one name that a part of a worker wants resolved. The answer comes on the worker's thread; with the request it
// stops being waited for.
// Thread: confined to one worker.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/slot_map.h"
#include "core/base/time.h"
#include "server/resolver.h"

namespace culvert::server {

struct WorkerContext;

class NameRequest {
 public:
  using Answer = absl::StatusOr<Resolver::Addresses>;
  class Owner {
   public:
    virtual void OnResolved(const Answer& answer) = 0;

   protected:
    ~Owner() = default;
  };

  // `is_foreign`: somebody else chose the name. Such lookups have threads of their own, so that they hold up none of ours.
  NameRequest(WorkerContext& context, Owner& owner, bool is_foreign = false) : context_(context), owner_(owner), is_foreign_(is_foreign) {}
  ~NameRequest() { Cancel(); }
  NameRequest(const NameRequest&) = delete;
  NameRequest& operator=(const NameRequest&) = delete;

  // The answer, if it is there already or cannot be had; nullopt: OnResolved follows, unless the worker's mailbox is full, so the
  // wait needs an end. `max_age`: of an answer that others got. Replaces a request under way.
  [[nodiscard]] std::optional<Answer> Start(const std::string& host, Duration max_age = kInfiniteDuration);
  void Cancel();
  [[nodiscard]] bool is_waiting() const { return !handle_.is_null(); }

 private:
  WorkerContext& context_;
  Owner& owner_;
  const bool is_foreign_;
  SlotHandle handle_;  // in the worker's list
};

}  // namespace culvert::server
