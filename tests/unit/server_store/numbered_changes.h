// Changes of several objects each, from whose traces one can tell how many were made, and whether any was made by half.
#pragma once

#include <string>
#include <vector>

#include "server/store/object_store.h"

namespace culvert::server {

// Number 1 makes objects, each further one changes three, makes one and deletes one.
std::vector<StoreChange> NumberedChange(int number);
// The number of the last change; 0: none was made. -1: the objects are not what whole changes leave.
int NumberOf(const std::vector<v1::Object>& objects);

}  // namespace culvert::server
