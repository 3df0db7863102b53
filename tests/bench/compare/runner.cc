#include "tests/bench/compare/runner.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <thread>

#include "absl/strings/str_format.h"
#include "tests/bench/compare/interrupt.h"
#include "tests/testing/unique_fd.h"

namespace culvert::bench {
namespace {

// What is done and about how long the rest takes. Thread: any.
class Progress {
 public:
  explicit Progress(const Plan& plan) : started_at_(testing::MonotonicNow()) {
    for (const Profile& profile : plan.profiles) {
      const double lanes = profile.is_emulated() ? Lanes(plan) : 1;
      for (const Phase phase : plan.phases) {
        if (!AppliesTo(phase, profile)) continue;
        const double repeats = static_cast<double>(plan.rounds) * static_cast<double>(plan.subjects.size());
        total_ += repeats;
        planned_ += repeats * PlannedSeconds(phase, profile) / lanes;
      }
    }
  }

  // How many emulated links are measured at the same time in this plan.
  static double Lanes(const Plan& plan) {
    const auto emulated = std::count_if(plan.profiles.begin(), plan.profiles.end(),
                                        [](const Profile& profile) { return profile.is_emulated(); });
    return static_cast<double>(std::clamp<int64_t>(emulated, 1, plan.lanes));
  }

  void Begin() const { Print(absl::StrFormat("%.0f measurements, about %s", total_, Time(planned_))); }

  void Done(const std::string& what, double planned_seconds, const std::string& line) {
    const std::lock_guard lock(mutex_);
    done_ += planned_seconds;
    ++count_;
    const double elapsed = ToSeconds(testing::MonotonicNow() - started_at_);
    Print(absl::StrFormat("[%.0f/%.0f, %s left] %s: %s", count_, total_, Time(SecondsLeft(planned_, done_, elapsed)),
                          what, line));
  }

  static void Print(const std::string& line) { std::fputs((line + "\n").c_str(), stderr); }

 private:
  static std::string Time(double seconds) {
    return seconds < 90 ? absl::StrFormat("%.0f s", seconds) : absl::StrFormat("%.0f min", seconds / 60);
  }

  TimePoint started_at_;
  std::mutex mutex_;
  double total_ = 0, count_ = 0;
  double planned_ = 0, done_ = 0;  // seconds
};

void RunProfile(const Plan& plan, const Profile& profile, int round, Results& results, Progress& progress) {
  const double lanes = profile.is_emulated() ? Progress::Lanes(plan) : 1;
  const absl::StatusOr<std::unique_ptr<Site>> site = Site::Create(profile);
  if (!site.ok()) {
    const std::string why(site.status().message());
    Progress::Print(absl::StrFormat("%s cannot be set up: %s", profile.name, why));
    results.AddFailure(round, profile.name, "every subject", {}, why);
    return;
  }
  for (size_t i = 0; i < plan.subjects.size(); ++i) {
    const Subject& subject = plan.subjects[(i + static_cast<size_t>(round) - 1) % plan.subjects.size()];
    for (const Phase phase : plan.phases) {
      if (!AppliesTo(phase, profile)) continue;
      if (IsInterrupted()) return;
      const std::string line = Measure({subject, **site, round}, phase, results);
      const std::string what =
          absl::StrFormat("round %d, %s, %s, %s", round, profile.name, subject.name, NameOf(phase));
      progress.Done(what, PlannedSeconds(phase, profile) / lanes, line);
    }
  }
}

}  // namespace

void RunPlan(const Plan& plan, Results& results, const std::function<void()>& after_round) {
  Progress progress(plan);
  progress.Begin();
  for (int round = 1; round <= plan.rounds && !IsInterrupted(); ++round) {
    std::vector<const Profile*> emulated;
    for (const Profile& profile : plan.profiles) {
      if (profile.is_emulated()) {
        emulated.push_back(&profile);
      } else {
        RunProfile(plan, profile, round, results, progress);
      }
    }
    std::atomic<size_t> next{0};
    std::vector<std::thread> lanes;
    for (int lane = 0; lane < plan.lanes; ++lane) {
      lanes.emplace_back([&] {
        for (size_t i = next++; i < emulated.size(); i = next++) {
          RunProfile(plan, *emulated[i], round, results, progress);
        }
      });
    }
    for (std::thread& lane : lanes) lane.join();
    after_round();
  }
}

}  // namespace culvert::bench
