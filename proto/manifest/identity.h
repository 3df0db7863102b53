// One kind and name stands for one object, whichever files it comes from. Also the limits of the file form.
#pragma once

#include <cstddef>
#include <vector>

#include "proto/manifest/faults.h"
#include "proto/manifest/manifest.h"

namespace culvert::manifest {

inline constexpr size_t kMaxFileBytes = size_t{4} << 20;
inline constexpr size_t kMaxObjects = 10'000;

// Adds a fault naming both places for every object whose kind and name an earlier one has.
void FindDuplicates(const std::vector<SourceObject>& objects, Faults& faults);

}  // namespace culvert::manifest
