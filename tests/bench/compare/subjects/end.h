// The ends of a tunnel: programs that take connections on one side and pass them on at the other.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "core/base/address.h"
#include "tests/bench/compare/profile.h"
#include "tests/testing/process.h"

namespace culvert::bench {

// One running program. Killed, without farewell, with the object: a measurement is over when it is over.
class End {
 public:
  virtual ~End() = default;
  virtual testing::Process& process() = 0;
};

// Wraps the program classes of tests/testing, which all have process().
template <typename Program>
class EndOf : public End {
 public:
  explicit EndOf(std::unique_ptr<Program> program) : program_(std::move(program)) {}
  ~EndOf() override { program_->process().Signal(9); }
  testing::Process& process() override { return program_->process(); }

 private:
  std::unique_ptr<Program> program_;
};

template <typename Program>
absl::StatusOr<std::unique_ptr<End>> ToEnd(absl::StatusOr<std::unique_ptr<Program>> program) {
  if (!program.ok()) return program.status();
  return std::unique_ptr<End>(new EndOf<Program>(*std::move(program)));
}

struct NearOptions {
  std::string netns;       // empty: ours
  SocketAddress entrance;  // takes TCP here
  SocketAddress wire;      // passes it on to the far end here
  const Profile* profile;  // the path, for programs that have to be told; a loan for the call
};
struct FarOptions {
  std::string netns;
  SocketAddress wire;         // listens here
  SocketAddress destination;  // passes it on here, by TCP
  const Profile* profile;     // as above
};

// A kind of program with its settings, able to be either end.
class EndKind {
 public:
  virtual ~EndKind() = default;
  virtual absl::StatusOr<std::unique_ptr<End>> StartNear(const NearOptions& options) const = 0;
  virtual absl::StatusOr<std::unique_ptr<End>> StartFar(const FarOptions& options) const = 0;
};

}  // namespace culvert::bench
