// What a misspelt word was probably meant to be. Shared by file keys, kinds, verbs and flags.
// Thread: any; no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace culvert::manifest {

// The candidate nearest to `word`, or empty when none is near: at most a third of the letters edited, or one of the two
// the beginning of the other. Letter case does not count. Words over 64 bytes get no answer.
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);

// " (did you mean X?)", or empty when nothing is near.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace culvert::manifest
