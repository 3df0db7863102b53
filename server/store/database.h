// Database: one SQLite connection and its statements, opened the careful way. Knows nothing of what is stored.
// Errors: RESOURCE_EXHAUSTED disk or quota full; FAILED_PRECONDITION read-only, not permitted, gone, or held by another program;
//   DATA_LOSS damaged; INTERNAL an I/O error, or our bug. The message names the file and what the system said.
// Thread: one at a time; it waits for the disk.
// Memory: pages with secrets stay in SQLite's cache until the object goes, and then in freed memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/bytes.h"

struct sqlite3;
struct sqlite3_stmt;

namespace culvert::server {

class Database;

// A prepared statement. Parameters and columns as SQLite counts them: from 1 and from 0. What is bound is a loan until Reset.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& Bind(int parameter, int64_t value);
  Statement& Bind(int parameter, std::string_view text);
  Statement& Bind(int parameter, ByteView blob);
  // True: a row is there. False: there are no more.
  absl::StatusOr<bool> Step();
  // For what gives no rows: runs it, and makes it ready for the next time.
  absl::Status Run();
  void Reset();

  int64_t Integer(int column) const;
  // nullopt when the column holds something else than this kind of value. A loan until the next Step or Reset.
  std::optional<std::string_view> Text(int column) const;
  std::optional<ByteView> Blob(int column) const;
  bool IsInteger(int column) const;

 private:
  friend class Database;
  Statement(Database* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}
  Database* database_;
  sqlite3_stmt* statement_;
};

class Database {
 public:
  enum class Mode {
    kWrite,      // the file must be there. The connection keeps it locked.
    kRead,       // writes nothing, locks nothing: for a disk that takes no writes, and for copies nobody writes to
    kImmutable,  // as kRead, and does not look for a log: for a database in WAL mode whose log is missing
  };
  // No component of `path` may be a symbolic link. Bounds rows to `max_row_bytes` and the file to `max_file_bytes`.
  struct Options {
    Mode mode = Mode::kWrite;
    int max_row_bytes = 0;
    int64_t max_file_bytes = 0;
  };
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path, const Options& options);
  // Never writes: what is in the log stays there for the next opening.
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  absl::StatusOr<Statement> Prepare(std::string_view sql);
  absl::Status Run(std::string_view sql);
  // The first column of the first row.
  absl::StatusOr<int64_t> Integer(std::string_view sql);
  absl::StatusOr<std::string> Text(std::string_view sql);

  // From here on commits are appended to PATH-wal and are on the disk when they return.
  absl::Status UseLog();
  // Moves everything from the log into the file and makes the log empty.
  absl::Status EmptyLog();

  // The error of the call that just returned `code`, SQLite's extended result code.
  absl::Status Error(int code) const;

 private:
  Database(std::string path, sqlite3* connection) : path_(std::move(path)), connection_(connection) {}
  absl::Status SetUp(const Options& options);

  const std::string path_;
  sqlite3* connection_;
};

}  // namespace culvert::server
