// The requests that change one declared object, over all three kinds: the kind is that of the object.
// A request that gets lost on its way is sent once more with the same id, so that it is done once.
// Thread: confined to the command.
#pragma once

#include <string>
#include <vector>

#include "cli/objects/kinds.h"
#include "cli/target/client.h"
#include "culvert/v1/config.pb.h"

namespace culvert::cli {

struct Changed {
  v1::Object object;  // as it is now
  std::vector<v1::Warning> warnings;
};

// REQUIRES of both: the oneof is set; Connect() went well.
// Errors: as the daemon answers; its names of fields are those of the object ("spec.bind").
Outcome CreateObject(Client& client, const v1::Object& object, bool validate_only, Changed& out);
// Changes what `paths` name; metadata.name says which object, metadata.etag guards it.
// `is_outdated` (may be nullptr) becomes true when the etag was not the current one.
Outcome UpdateObject(Client& client, const v1::Object& object, const std::vector<std::string>& paths, bool validate_only, Changed& out,
                     bool* is_outdated);

// An object of the kind, with nothing set. REQUIRES: IsDeclared(kind).
v1::Object EmptyObject(Kind kind);
// The kind of an object. REQUIRES: the oneof is set.
Kind KindOfObject(const v1::Object& object);

}  // namespace culvert::cli
