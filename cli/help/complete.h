// What a half-typed command line can go on with: "culvertctl __complete -- WORD... LAST", asked by the scripts of completion_scripts.h.
// Verbs, flags, their values, kinds, fields; names of objects from the daemon that the line means, for which it has a second.
// Nothing that goes wrong is told: a shell is in the middle of a line.
// Thread: confined to its caller.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace culvert::cli {

struct Candidate {
  std::string word;         // in place of the whole last word
  std::string description;  // one line; may be empty
};

struct Completion {
  std::vector<Candidate> candidates;
  bool files = false;  // the shell knows better: names of files
};

// `words` without the program's name; the last one is being typed.
Completion Complete(CLI::App& root, const std::vector<Verb>& verbs, Globals& globals, const Environment& environment,
                    const std::vector<std::string>& words);

// "WORD\tDESCRIPTION" a line, and in the last one what the shell is to do: ":files", ":nospace" (more belongs to each word), or ":".
std::string ToLines(const Completion& completion);

}  // namespace culvert::cli
