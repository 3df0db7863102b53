// Reading objects.db: every row is judged by its checksum, and all of them together by the record of how many there must be.
//
//   checksum  SHA-256("culvert-object-1" | length of kind, 4 bytes | kind | length of name | name | body)
//   state     generation, 8 bytes | number of rows, 8 bytes | XOR of their checksums, 32 bytes
//
// A value of table meta has the checksum of an object of kind "meta".
// Limits: kMaxRows, kMaxBodyBytes, kMaxKindBytes, kMaxNameBytes; what is above was not written by us.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/base/bytes.h"
#include "core/crypto/sha256.h"
#include "server/store/database.h"

namespace culvert::server {

inline constexpr size_t kMaxRows = 20'000;
inline constexpr size_t kMaxBodyBytes = 1024 * 1024;
inline constexpr size_t kMaxKindBytes = 16;
inline constexpr size_t kMaxNameBytes = 253;
inline constexpr size_t kEtagKeyBytes = 32;
// A row's body and all else of it.
inline constexpr int kMaxRowBytes = static_cast<int>(kMaxBodyBytes) + 4096;

using Checksum = std::array<uint8_t, kSha256Size>;
Checksum ChecksumOf(std::string_view kind, std::string_view name, std::string_view body);

// Overwrites and empties.
void Erase(std::string& secret);

// What all rows are together.
struct StoreState {
  static constexpr size_t kBytes = 16 + kSha256Size;

  uint64_t generation = 0;  // commits so far
  uint64_t rows = 0;
  Checksum all{};

  // Adds a row that was not there, or takes out one that was.
  void Add(const Checksum& row);
  void Remove(const Checksum& row);
  std::string Encode() const;
  static std::optional<StoreState> Decode(std::string_view bytes);
  friend bool operator==(const StoreState&, const StoreState&) = default;
};

struct Row {
  int64_t number = 0;
  std::string kind;
  std::string name;
  std::string body;  // holds secrets: whoever has it erases it
  Checksum checksum{};
};

// A damaged row, for people: what its kind and name say, in printable characters, and what is wrong.
struct SetAsideRow {
  std::string kind;
  std::string name;
  std::string reason;
};

struct DamagedRow {
  int64_t number = 0;
  bool is_readable = false;  // SQLite can give its columns, whatever they hold
  SetAsideRow shown;
};

struct FileContent {
  std::vector<Row> rows;
  std::vector<DamagedRow> damaged;
  std::string etag_key;             // empty: missing or damaged
  std::optional<StoreState> state;  // nullopt: missing or damaged
  std::string damage;               // of the file as a whole; empty: none. `rows` then holds what could be read all the same.

  FileContent() = default;
  FileContent(FileContent&&) = default;
  FileContent& operator=(FileContent&&) = default;
  ~FileContent();  // erases

  // What the rows that are there add up to.
  StoreState Sum() const;
  // Whether every row that was written last is among `rows`, whatever else happened to the file.
  bool IsComplete() const;
};

// Why a row cannot be used though its checksum holds; empty: it can.
using Judge = std::function<std::string(const Row& row)>;

// Damage is a result, not an error. Errors: those of the system (database.h).
absl::StatusOr<FileContent> ReadContent(Database& database, const Judge& judge);

}  // namespace culvert::server
