#include "proto/manifest/suggest.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"

namespace culvert::manifest {
namespace {

constexpr size_t kMaxWord = 64;  // the distance is quadratic, and no word of ours is longer
constexpr size_t kMinPrefix = 3;

// Optimal string alignment: insert, delete, replace, and swap of neighbours, which is the commonest slip of fingers.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  absl::AsciiStrToLower(&lower);
  return lower;
}

}  // namespace

std::string Nearest(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.empty() || word.size() > kMaxWord) return "";
  const std::string typed = Lower(word);
  std::string best, best_prefix;
  size_t best_distance = SIZE_MAX;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kMaxWord) continue;
    const std::string known = Lower(candidate);
    const size_t distance = EditDistance(typed, known);
    if (distance <= std::max<size_t>(1, std::max(typed.size(), known.size()) / 3) && distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
    const size_t shared = std::min(typed.size(), known.size());
    if (best_prefix.empty() && shared >= kMinPrefix && typed.compare(0, shared, known, 0, shared) == 0) {
      best_prefix = candidate;
    }
  }
  return best.empty() ? best_prefix : best;
}

std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string nearest = Nearest(word, candidates);
  return nearest.empty() ? "" : " (did you mean " + nearest + "?)";
}

}  // namespace culvert::manifest
