#include "cli/advice/summary.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/advice/parts.h"
#include "cli/text/escape.h"
#include "cli/text/units.h"

namespace culvert::cli {
namespace {

using Grade = Finding::Grade;

constexpr size_t kDigestLetters = 12;  // as many as tell two sets of files apart when they are read aloud

// "3fa1Bc..." of "sha256/3fa1Bc...", shortened.
std::string BriefDigest(const std::string& digest) { return Visible(digest.substr(digest.find('/') + 1).substr(0, kDigestLetters)); }

std::string AgeOf(int64_t then, int64_t now) { return HumanAge(std::max<int64_t>(0, now - then)); }

// "since 5m", as far as the daemon's condition knows.
std::string RejectedSince(const v1::Daemon& daemon, int64_t now) {
  for (const v1::Condition& condition : daemon.conditions()) {
    if (condition.type() == "ConfigAccepted" && condition.status() == v1::Condition::STATUS_FALSE && condition.has_last_transition_time()) {
      return " since " + AgeOf(condition.last_transition_time().seconds(), now);
    }
  }
  return "";
}

}  // namespace

Summary SummarizeConfig(const v1::GetConfigStatusResponse& config, const v1::Daemon& daemon, int64_t now) {
  Summary summary;
  const std::vector<std::string> folders(config.config_dirs().begin(), config.config_dirs().end());
  const std::string places = Visible(absl::StrJoin(folders, ", "));
  if (!config.rejected_message().empty()) {
    summary.grade = Grade::kFail;
    summary.text = absl::StrCat("REJECTED", RejectedSince(daemon, now), "   ", places, ": ", Visible(config.rejected_message()));
    if (config.has_load_time()) absl::StrAppend(&summary.text, "   (what was loaded ", AgeOf(config.load_time().seconds(), now), " ago is in force)");
  } else if (folders.empty()) {
    summary.text = "no folders";
  } else {
    summary.text = "ACCEPTED   " + places;
    if (config.has_load_time()) absl::StrAppend(&summary.text, "  loaded ", AgeOf(config.load_time().seconds(), now), " ago");
    if (!config.loaded_digest().empty()) absl::StrAppend(&summary.text, "  digest ", BriefDigest(config.loaded_digest()));
  }
  return summary;
}

Summary SummarizeState(const v1::GetConfigStatusResponse& config) {
  Summary summary;
  if (config.state_is_kept()) {
    summary.text = "kept in " + Visible(config.state_file());
  } else if (config.state_file().empty()) {
    summary.text = "what the API makes ends with this run";
  } else {
    summary.grade = Grade::kFail;
    summary.text = "not kept: " + Visible(config.state_message());
  }
  if (!config.pending().empty()) {
    summary.grade = std::max(summary.grade, Grade::kWarn);
    std::vector<std::string> waiting;
    for (const v1::PendingObject& one : config.pending()) waiting.push_back(Visible(one.subject()) + ": " + Visible(one.message()));
    absl::StrAppend(&summary.text, "   (not in force: ", Some(std::move(waiting)), ")");
  }
  return summary;
}

Summary SummarizeCertificates(const std::vector<v1::Object>& objects, int64_t now) {
  Summary summary;
  std::vector<std::string> invalid;
  const v1::Object* next = nullptr;
  size_t count = 0;
  for (const v1::Object& object : objects) {
    ForEachCondition(object, [&](const v1::Condition& condition) {
      if (condition.type() != "CertificateValid" || condition.status() != v1::Condition::STATUS_FALSE) return;
      invalid.push_back(PrintableName(object) + ": " + Visible(condition.message()));
    });
    const v1::TlsStatus* tls = TlsOf(object);
    if (tls == nullptr || !tls->has_certificate_not_after()) continue;
    ++count;
    const bool is_sooner = next == nullptr || tls->certificate_not_after().seconds() < TlsOf(*next)->certificate_not_after().seconds();
    if (is_sooner) next = &object;
  }
  if (!invalid.empty()) return {Some(std::move(invalid)), Grade::kFail};
  if (next == nullptr) return {"none in use", Grade::kOk};
  const int64_t left = TlsOf(*next)->certificate_not_after().seconds() - now;
  const std::string when = left > 0 ? "ends in " + HumanAge(left) : "ended " + HumanAge(-left) + " ago";
  summary.text = absl::StrCat(count, " in use, that of ", PrintableName(*next), " ", when);
  summary.grade = left < kDaySeconds ? Grade::kFail : left < kCertificateEndsSoon ? Grade::kWarn : Grade::kOk;
  return summary;
}

}  // namespace culvert::cli
