// What a thread is called, and how much of a busy machine it gets.
#pragma once

#include <string>

namespace culvert::io {

// 0 to 19 (see nice(2)), of the calling thread and of those it starts from then on. More cannot be taken back without a privilege. Best
// effort: a system that refuses leaves it as it was.
void SetThreadNiceness(int niceness);
// As top -H and ps -T show it; at most 15 bytes are shown.
void NameThread(const std::string& name);

}  // namespace culvert::io
