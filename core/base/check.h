// Broken invariants of ours end the process with a line that says where. Bytes from the network never reach a check.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace culvert::internal {
[[noreturn]] inline void CheckFailed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, expression);
  std::abort();
}
}  // namespace culvert::internal

// Cheap and always on.
#define CULVERT_CHECK(expression) \
  (__builtin_expect(!!(expression), 1) ? (void)0 : ::culvert::internal::CheckFailed(#expression, __FILE__, __LINE__))

// Expensive; on in debug builds.
#ifdef NDEBUG
#define CULVERT_DCHECK(expression) ((void)sizeof(!!(expression)))
#else
#define CULVERT_DCHECK(expression) CULVERT_CHECK(expression)
#endif
