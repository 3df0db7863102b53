#include "server/store/schema.h"

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/store/row_reader.h"

namespace culvert::server {
namespace {

struct Table {
  const char* name;
  const char* sql;
};
// By name, as CheckTables reads them.
constexpr Table kTables[] = {
    {"meta", "CREATE TABLE meta(number INTEGER PRIMARY KEY, name TEXT, value BLOB, checksum BLOB)"},
    {"objects",
     "CREATE TABLE objects(number INTEGER PRIMARY KEY, kind TEXT, name TEXT, body BLOB, checksum BLOB, generation INTEGER)"},
    {"set_aside",
     "CREATE TABLE set_aside(number INTEGER PRIMARY KEY, kind TEXT, name TEXT, body BLOB, checksum BLOB, reason TEXT)"},
};

absl::Status MakeTables(Database& database) {
  for (const Table& table : kTables) CULVERT_RETURN_IF_ERROR(database.Run(table.sql));
  return absl::OkStatus();
}

constexpr Migration kMigrations[] = {{0, MakeTables}};
static_assert(std::size(kMigrations) == kSchemaVersion);

// The version as a row with a checksum tells a newer file from one whose header was damaged. Every version keeps it readable so.
std::optional<int> RecordedVersion(Database& database) {
  absl::StatusOr<Statement> select = database.Prepare("SELECT value, checksum FROM meta WHERE name='version'");
  if (!select.ok()) return std::nullopt;
  const absl::StatusOr<bool> has_row = select->Step();
  if (!has_row.ok() || !*has_row) return std::nullopt;
  const auto value = select->Blob(0);
  const auto checksum = select->Blob(1);
  int version = 0;
  if (!value || !checksum || AsText(*checksum) != AsText(ChecksumOf("meta", "version", AsText(*value))) ||
      !absl::SimpleAtoi(std::string(AsText(*value)), &version)) {
    return std::nullopt;
  }
  return version;
}

}  // namespace

std::span<const Migration> Migrations() { return kMigrations; }

absl::Status CheckOwner(Database& database, std::span<const Migration> migrations) {
  CULVERT_ASSIGN_OR_RETURN(const int64_t application, database.Integer("PRAGMA application_id"));
  if (application != kApplicationId) return absl::DataLossError("it is the database of another program");
  CULVERT_ASSIGN_OR_RETURN(const int64_t version, database.Integer("PRAGMA user_version"));
  const int64_t newest = migrations.empty() ? 0 : migrations.back().from + 1;
  if (version > newest) {
    if (const auto recorded = RecordedVersion(database); recorded && *recorded <= newest) {
      return absl::DataLossError(absl::StrCat("its schema version, ", *recorded, ", was overwritten"));
    }
    return absl::FailedPreconditionError(
        absl::StrCat("it was written by a newer culvert (schema version ", version, ", this one knows ", newest,
                     "): run that one, or move the file away; it was not changed"));
  }
  return version >= 0 ? absl::OkStatus() : absl::DataLossError(absl::StrCat("its schema version is ", version));
}

absl::Status Migrate(Database& database, std::span<const Migration> migrations) {
  CULVERT_ASSIGN_OR_RETURN(const int64_t version, database.Integer("PRAGMA user_version"));
  if (migrations.empty() || version == migrations.back().from + 1) return absl::OkStatus();
  CULVERT_RETURN_IF_ERROR(database.Run("BEGIN IMMEDIATE"));
  for (const Migration& migration : migrations) {
    if (migration.from < version) continue;
    if (absl::Status status = migration.run(database); !status.ok()) {
      static_cast<void>(database.Run("ROLLBACK"));
      return status;
    }
  }
  const std::string newest = absl::StrCat(migrations.back().from + 1);
  CULVERT_RETURN_IF_ERROR(PutMeta(database, "version", newest));
  CULVERT_RETURN_IF_ERROR(database.Run("PRAGMA user_version=" + newest));
  return database.Run("COMMIT");
}

absl::Status PutMeta(Database& database, std::string_view name, std::string_view value) {
  const Checksum checksum = ChecksumOf("meta", name, value);
  CULVERT_ASSIGN_OR_RETURN(Statement erase, database.Prepare("DELETE FROM meta WHERE name=?1"));
  CULVERT_RETURN_IF_ERROR(erase.Bind(1, name).Run());
  CULVERT_ASSIGN_OR_RETURN(Statement insert, database.Prepare("INSERT INTO meta(name, value, checksum) VALUES(?1, ?2, ?3)"));
  return insert.Bind(1, name).Bind(2, AsBytes(value)).Bind(3, ByteView(checksum)).Run();
}

absl::Status CheckTables(Database& database) {
  CULVERT_ASSIGN_OR_RETURN(Statement all, database.Prepare("SELECT name, sql FROM sqlite_schema ORDER BY name"));
  for (const Table& table : kTables) {
    CULVERT_ASSIGN_OR_RETURN(const bool has_row, all.Step());
    if (!has_row || all.Text(0) != table.name || all.Text(1) != table.sql) {
      return absl::DataLossError(absl::StrCat("its table ", table.name, " is missing, or is not as it was made"));
    }
  }
  CULVERT_ASSIGN_OR_RETURN(const bool has_more, all.Step());
  return has_more ? absl::DataLossError("it has a table that is not ours") : absl::OkStatus();
}

}  // namespace culvert::server
