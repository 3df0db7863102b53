// The run: rounds over profiles over subjects over phases, with progress on standard error.
#pragma once

#include <functional>
#include <vector>

#include "tests/bench/compare/options.h"
#include "tests/bench/compare/report/results.h"
#include "tests/bench/compare/subjects/subject.h"

namespace culvert::bench {

struct Plan {
  std::vector<Profile> profiles;
  std::vector<Subject> subjects;  // all of them can be measured here
  std::vector<Phase> phases;
  int rounds = 1;
  int lanes = 1;
};

// Measures every subject once per round, so that what the machine does meanwhile hits all alike, and each round begins with
// another one. Loopback and veth have the machine for themselves; emulated links run `lanes` at a time. What fails is
// noted in `results`, and the run goes on. `after_round` is called with what there is so far.
// Ends early when interrupted.
void RunPlan(const Plan& plan, Results& results, const std::function<void()>& after_round);

}  // namespace culvert::bench
