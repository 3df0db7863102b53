// Rates as rows: what `top` shows.
// Thread: any; no state.
#pragma once

#include <cstddef>
#include <vector>

#include "cli/objects/kinds.h"
#include "cli/text/printer.h"
#include "cli/watch/rates.h"

namespace culvert::cli {

// The first `most_rows` of a frame, as the columns of `kind`. REQUIRES: kind is a session, a stream, a UDP flow or a forward.
Table RateTable(Kind kind, const RateFrame& frame, size_t most_rows);

// What rows of a kind can be ordered by.
std::vector<SortKey> SortKeysOf(Kind kind);

}  // namespace culvert::cli
