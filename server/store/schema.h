// The tables of objects.db, and how an older version of them becomes this one.
//
//   objects    number, kind, name, body, checksum, generation   one row per object
//   meta       number, name, value, checksum                    "version", "etag_key", "state" (row_reader.h), "opened"
//   set_aside  number, kind, name, body, checksum, reason       damaged rows, the newest kMaxSetAside
//
// Nothing but `number` is indexed or constrained: the rows' own checksums say more than SQLite could, and one tree per table is
// all that can break. Versions: PRAGMA user_version, and "version" of meta; PRAGMA application_id tells our files from others.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "server/store/database.h"

namespace culvert::server {

inline constexpr int32_t kApplicationId = 0x43756c76;  // "Culv"
inline constexpr int kSchemaVersion = 1;

struct Migration {
  int from;  // leads to from + 1
  absl::Status (*run)(Database& database);
};
// From 0, which has no tables, to kSchemaVersion.
std::span<const Migration> Migrations();

// Whose file it is, reading only. Errors: DATA_LOSS not ours, or damaged; FAILED_PRECONDITION made by a newer culvert, whose newest
// version is above what `migrations` lead to.
absl::Status CheckOwner(Database& database, std::span<const Migration> migrations = Migrations());
// Brings the file to the newest version in one transaction. REQUIRES: CheckOwner said OK.
absl::Status Migrate(Database& database, std::span<const Migration> migrations = Migrations());
// Makes a value of meta this one, with its checksum. Within the caller's transaction, if there is one.
absl::Status PutMeta(Database& database, std::string_view name, std::string_view value);
// Whether the tables are what kSchemaVersion has, to the letter. DATA_LOSS: they are not.
absl::Status CheckTables(Database& database);

}  // namespace culvert::server
