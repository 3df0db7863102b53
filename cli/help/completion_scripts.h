// What a shell needs to ask "culvertctl __complete -- WORD... LAST": one short script a shell.
// Thread: any; no state.
#pragma once

#include <string_view>

namespace culvert::cli {

// "bash", "zsh" or "fish"; empty for others.
std::string_view CompletionScript(std::string_view shell);

}  // namespace culvert::cli
