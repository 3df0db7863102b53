// What is compared: a way to carry TCP connections from the near to the far end of a site.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/compare/site.h"
#include "tests/bench/compare/statistics.h"
#include "tests/bench/compare/subjects/end.h"

namespace culvert::bench {

struct Subject {
  std::string name;                          // as in --only
  std::string what;                          // the settings, in a line
  std::shared_ptr<const EndKind> near, far;  // both absent: no tunnel, straight to the application
  PacketShare packet_up, packet_down;        // a full data packet on the wire
  std::string tcp = "cubic";                 // congestion control of every TCP connection while it is measured
  std::string missing;                       // why it cannot be measured here; empty: it can
  // What it is held against: mixed pairs against the other maker's own, culvert against the best tunnels.
  std::vector<std::string> compared_with;
  bool is_mixed = false;  // culvert at one end, another maker's program at the other
};

// Every subject, culvert first. What is not installed, or not accepted by this culvertd, has `missing` set.
std::vector<Subject> Subjects();

// Those that `only` (comma-separated names; what is no name is a part of one; empty: all) picks, in the order of Subjects.
// A subject of two makers is in only when `with_mixed`, or when it is named in full.
// Errors: INVALID_ARGUMENT when a part of `only` picks nothing.
absl::StatusOr<std::vector<Subject>> PickSubjects(const std::vector<Subject>& all, const std::string& only,
                                                  bool with_mixed);

// Both ends of one tunnel. What connects to `entrance` (at the near side) comes out at `destination` (at the far side).
class RunningSubject {
 public:
  // `destination` is the application's port at the far end.
  static absl::StatusOr<std::unique_ptr<RunningSubject>> Start(const Subject& subject, Site& site,
                                                               uint16_t destination_port);
  SocketAddress entrance() const { return entrance_; }
  bool has_processes() const { return near_ != nullptr; }
  // Both ends together.
  Duration CpuTime() const;
  uint64_t ResidentBytes() const;
  uint64_t PeakResidentBytes() const;  // since the start
  // What ended before its time, with what it printed last; empty: nothing did.
  std::string WhatEnded();

 private:
  std::vector<pid_t> Pids() const;

  SocketAddress entrance_;
  std::unique_ptr<End> near_, far_;
};

}  // namespace culvert::bench
