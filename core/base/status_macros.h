// Early return of an absl::Status.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define CULVERT_RETURN_IF_ERROR(expression)                        \
  do {                                                             \
    if (absl::Status culvert_status = (expression); !culvert_status.ok()) return culvert_status; \
  } while (false)

#define CULVERT_CONCAT_INNER(a, b) a##b
#define CULVERT_CONCAT(a, b) CULVERT_CONCAT_INNER(a, b)
// CULVERT_ASSIGN_OR_RETURN(auto value, MakeValue());
#define CULVERT_ASSIGN_OR_RETURN(declaration, expression) \
  CULVERT_ASSIGN_OR_RETURN_INNER(CULVERT_CONCAT(culvert_result_, __LINE__), declaration, expression)
#define CULVERT_ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                           \
  if (!result.ok()) return std::move(result).status();                  \
  declaration = *std::move(result)
