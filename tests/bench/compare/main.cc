// bench_compare: culvert beside other tunnels, both ends and the load on this machine. See README.md.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "core/base/status_macros.h"
#include "tests/bench/compare/interrupt.h"
#include "tests/bench/compare/options.h"
#include "tests/bench/compare/report/files.h"
#include "tests/bench/compare/report/ratios.h"
#include "tests/bench/compare/report/table.h"
#include "tests/bench/compare/runner.h"
#include "tests/testing/netns.h"

namespace culvert::bench {
namespace {

// A thousand streams through two relays are some thousand descriptors; programs we start inherit the limit.
void AllowManyFiles() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

void Say(const std::string& line) { std::fputs((line + "\n").c_str(), stderr); }

void PrintList(const std::vector<Subject>& subjects, const std::vector<Profile>& profiles) {
  std::puts("subjects:");
  for (const Subject& subject : subjects) {
    const std::string missing = subject.missing.empty() ? "" : "; MISSING: " + subject.missing;
    const std::string mixed = subject.is_mixed ? "; only with --subject-peer" : "";
    std::printf("  %-24s %s%s%s\n", subject.name.c_str(), subject.what.c_str(), mixed.c_str(), missing.c_str());
  }
  std::puts("profiles:");
  for (const Profile& profile : profiles) std::printf("  %s\n", profile.name.c_str());
}

// What cannot be measured here is named, never silently left out.
std::vector<Subject> WithoutMissing(const std::vector<Subject>& subjects) {
  std::vector<Subject> here;
  for (const Subject& subject : subjects) {
    if (subject.missing.empty()) {
      here.push_back(subject);
    } else {
      Say(absl::StrFormat("NOT MEASURED: %s: %s", subject.name, subject.missing));
    }
  }
  return here;
}

std::vector<Profile> WithoutLinks(const std::vector<Profile>& profiles, const std::string& why_not) {
  std::vector<Profile> here;
  for (const Profile& profile : profiles) {
    if (profile.kind == PathKind::kLoopback) {
      here.push_back(profile);
    } else {
      Say(absl::StrFormat("NOT MEASURED: %s: network namespaces: %s", profile.name, why_not));
    }
  }
  return here;
}

template <typename Item>
std::vector<std::string> Names(const std::vector<Item>& items) {
  std::vector<std::string> names;
  for (const Item& item : items) names.push_back(item.name);
  return names;
}

absl::StatusOr<Plan> MakePlan(const Options& options, const std::vector<Subject>& all) {
  Plan plan{.phases = options.phases, .rounds = options.rounds, .lanes = options.lanes};
  CULVERT_ASSIGN_OR_RETURN(plan.subjects, PickSubjects(all, options.only, options.has_mixed));
  CULVERT_ASSIGN_OR_RETURN(plan.profiles, PickProfiles(Profiles(options.is_quick), options.profiles));
  plan.subjects = WithoutMissing(plan.subjects);
  if (const std::string why_not = testing::WhyNoNetns(); !why_not.empty()) {
    plan.profiles = WithoutLinks(plan.profiles, why_not);
  }
  if (plan.subjects.empty() || plan.profiles.empty()) return absl::FailedPreconditionError("nothing to measure here");
  return plan;
}

int Run(const Options& options) {
  const std::vector<Subject> all = Subjects();
  if (options.is_list) {
    PrintList(all, Profiles(options.is_quick));
    return 0;
  }
  const absl::StatusOr<Plan> plan = MakePlan(options, all);
  if (!plan.ok()) {
    Say("bench_compare: " + std::string(plan.status().message()));
    return absl::IsInvalidArgument(plan.status()) ? 2 : 1;
  }
  const std::vector<std::string> profiles = Names(plan->profiles);
  const std::vector<std::string> subjects = Names(plan->subjects);
  Results results;
  absl::Status written;
  RunPlan(*plan, results, [&] { written = WriteFiles(results, profiles, subjects, options.directory); });

  std::fputs(Table(results, profiles, subjects).c_str(), stdout);
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const Subject& subject : plan->subjects) {
    for (const std::string& other : subject.compared_with) pairs.emplace_back(subject.name, other);
  }
  if (const std::string ratios = Ratios(results, profiles, pairs); !ratios.empty()) std::printf("%s\n", ratios.c_str());
  for (const std::string& failure : results.failures()) std::printf("failed: %s\n", failure.c_str());
  for (const Subject& subject : all) {
    if (!subject.missing.empty()) std::printf("not measured: %s: %s\n", subject.name.c_str(), subject.missing.c_str());
  }
  if (!written.ok()) Say("bench_compare: " + std::string(written.message()));
  std::printf("files: %s/compare.{txt,tsv}, compare-PROFILE.svg\n", options.directory.c_str());
  if (IsInterrupted()) Say("interrupted: the figures are those of what was measured until then");
  return IsInterrupted() || !written.ok() ? 1 : 0;
}

int Main(const std::vector<std::string>& words) {
  const absl::StatusOr<Options> options = ParseOptions(words);
  if (!options.ok()) {
    std::fprintf(stderr, "bench_compare: %s\n%s", std::string(options.status().message()).c_str(), kUsage);
    return 2;
  }
  if (options->is_help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  (void)signal(SIGPIPE, SIG_IGN);
  WatchForInterrupt();
  AllowManyFiles();
  return Run(*options);
}

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) { return culvert::bench::Main({argv + 1, argv + argc}); }
