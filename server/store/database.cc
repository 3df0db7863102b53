#include "server/store/database.h"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"

namespace culvert::server {
namespace {

constexpr int kMaxSqlBytes = 100'000;
constexpr int kMaxColumns = 64;

// SQLite's URIs: what means something in them is escaped.
std::string UriOf(const std::string& path, const char* query) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      absl::StrAppend(&uri, "%", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    } else {
      uri += c;
    }
  }
  return uri + query;
}

// What the system said is better than what SQLite makes of it; without either, the kind of result decides.
absl::StatusCode CodeOf(int code, int system_error) {
  // A file that the system lets us write, and whose header says that only a later SQLite can.
  if (code == SQLITE_READONLY) return absl::StatusCode::kDataLoss;
  switch (code & 0xff) {
    case SQLITE_FULL: return absl::StatusCode::kResourceExhausted;
    case SQLITE_ERROR:  // our SQL is right, so the tables are not ours
    case SQLITE_CORRUPT:
    case SQLITE_TOOBIG:  // read from a file: what is written is measured before
    case SQLITE_NOTADB: return absl::StatusCode::kDataLoss;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return absl::StatusCode::kFailedPrecondition;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: break;
    default: return absl::StatusCode::kInternal;
  }
  if (code == SQLITE_CANTOPEN_SYMLINK) return absl::StatusCode::kDataLoss;
  switch (system_error) {
    case ENOSPC:
    case EDQUOT: return absl::StatusCode::kResourceExhausted;
    case EROFS:
    case EACCES:
    case EPERM:
    case ENOENT: return absl::StatusCode::kFailedPrecondition;
    default: return absl::StatusCode::kInternal;
  }
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::Bind(int parameter, int64_t value) {
  CULVERT_CHECK(sqlite3_bind_int64(statement_, parameter, value) == SQLITE_OK);
  return *this;
}

// Too long a value is refused here already; it stays NULL, which no reader of ours accepts, so callers check sizes first.
Statement& Statement::Bind(int parameter, std::string_view text) {
  CULVERT_CHECK(sqlite3_bind_text64(statement_, parameter, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK);
  return *this;
}

Statement& Statement::Bind(int parameter, ByteView blob) {
  static constexpr uint8_t kEmpty = 0;  // a null pointer would bind NULL
  const void* data = blob.empty() ? &kEmpty : blob.data();
  CULVERT_CHECK(sqlite3_bind_blob64(statement_, parameter, data, blob.size(), SQLITE_STATIC) == SQLITE_OK);
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->Error(code);
}

absl::Status Statement::Run() {
  absl::StatusOr<bool> row = Step();
  while (row.ok() && *row) row = Step();
  Reset();
  return row.status();
}

void Statement::Reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

int64_t Statement::Integer(int column) const { return sqlite3_column_int64(statement_, column); }

bool Statement::IsInteger(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_INTEGER; }

std::optional<std::string_view> Statement::Text(int column) const {
  if (sqlite3_column_type(statement_, column) != SQLITE_TEXT) return std::nullopt;
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return std::nullopt;
  return std::string_view(text, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

std::optional<ByteView> Statement::Blob(int column) const {
  if (sqlite3_column_type(statement_, column) != SQLITE_BLOB) return std::nullopt;
  const auto* blob = static_cast<const uint8_t*>(sqlite3_column_blob(statement_, column));
  return ByteView(blob, blob == nullptr ? 0 : static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path, const Options& options) {
  const bool writes = options.mode == Mode::kWrite;
  const bool is_immutable = options.mode == Mode::kImmutable;
  // One thread at a time uses it, so no mutexes. Links were followed by nobody else before us either.
  const int flags = (writes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX |
                    SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE | (is_immutable ? SQLITE_OPEN_URI : 0);
  sqlite3* connection = nullptr;
  // A lock needs a file that is open for writing, so readers do without.
  const int code = sqlite3_open_v2((is_immutable ? UriOf(path, "?immutable=1") : path).c_str(), &connection, flags,
                                   writes ? "unix" : "unix-none");
  CULVERT_CHECK(connection != nullptr);  // only without memory
  std::unique_ptr<Database> database(new Database(path, connection));
  if (code != SQLITE_OK) return database->Error(code);
  CULVERT_RETURN_IF_ERROR(database->SetUp(options));
  return database;
}

absl::Status Database::SetUp(const Options& options) {
  // SQLite opens what it may not write for reading, and would fail at its lock.
  if (options.mode == Mode::kWrite && sqlite3_db_readonly(connection_, "main") != 0) {
    return absl::FailedPreconditionError(path_ + ": may not be written: the file system is read-only, or its mode was changed");
  }
  // A file may say things to SQLite that ours never says: none of them may have an effect.
  for (const auto& [what, value] : {std::pair{SQLITE_DBCONFIG_DEFENSIVE, 1}, {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
                                    {SQLITE_DBCONFIG_ENABLE_VIEW, 0}, {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                                    {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0}, {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1}}) {
    CULVERT_CHECK(sqlite3_db_config(connection_, what, value, nullptr) == SQLITE_OK);
  }
  sqlite3_limit(connection_, SQLITE_LIMIT_LENGTH, options.max_row_bytes);
  sqlite3_limit(connection_, SQLITE_LIMIT_SQL_LENGTH, kMaxSqlBytes);
  sqlite3_limit(connection_, SQLITE_LIMIT_COLUMN, kMaxColumns);
  sqlite3_limit(connection_, SQLITE_LIMIT_WORKER_THREADS, 0);
  // Exclusive: the index of the log is in our memory. As a mapped file, PATH-shm, it would end the process when somebody shortens it.
  CULVERT_RETURN_IF_ERROR(Run("PRAGMA locking_mode=EXCLUSIVE"));
  CULVERT_RETURN_IF_ERROR(Run("PRAGMA mmap_size=0"));
  CULVERT_RETURN_IF_ERROR(Run("PRAGMA temp_store=MEMORY"));
  CULVERT_RETURN_IF_ERROR(Run("PRAGMA cell_size_check=ON"));
  CULVERT_RETURN_IF_ERROR(Run("PRAGMA secure_delete=ON"));
  CULVERT_RETURN_IF_ERROR(Run("PRAGMA synchronous=FULL"));
  if (options.mode != Mode::kWrite) return Run("PRAGMA query_only=ON");
  CULVERT_ASSIGN_OR_RETURN(const int64_t page_bytes, Integer("PRAGMA page_size"));
  return Run(absl::StrCat("PRAGMA max_page_count=", options.max_file_bytes / page_bytes));
}

Database::~Database() {
  // All statements are gone, or this would leave the connection open for ever.
  CULVERT_CHECK(sqlite3_close(connection_) == SQLITE_OK);
}

absl::StatusOr<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(connection_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return Error(code);
  return Statement(this, statement);
}

absl::Status Database::Run(std::string_view sql) {
  CULVERT_ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  return statement.Run();
}

absl::StatusOr<int64_t> Database::Integer(std::string_view sql) {
  CULVERT_ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  CULVERT_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
  if (!has_row || !statement.IsInteger(0)) return absl::DataLossError(path_ + ": gives no number where one must be");
  return statement.Integer(0);
}

absl::StatusOr<std::string> Database::Text(std::string_view sql) {
  CULVERT_ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  CULVERT_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
  if (!has_row || !statement.Text(0).has_value()) return absl::DataLossError(path_ + ": gives no text where one must be");
  return std::string(*statement.Text(0));
}

absl::Status Database::UseLog() {
  CULVERT_ASSIGN_OR_RETURN(const std::string mode, Text("PRAGMA journal_mode=WAL"));
  if (mode != "wal") return absl::InternalError(path_ + ": no write-ahead log, journal mode is " + mode);
  // SQLite would empty the log now and then after a commit, and keep an error in that to itself.
  return Run("PRAGMA wal_autocheckpoint=0");
}

absl::Status Database::EmptyLog() {
  CULVERT_ASSIGN_OR_RETURN(const int64_t is_busy, Integer("PRAGMA wal_checkpoint(TRUNCATE)"));
  return is_busy == 0 ? absl::OkStatus() : absl::InternalError(path_ + ": the log could not be emptied");
}

absl::Status Database::Error(int code) const {
  const int primary = code & 0xff;
  const bool is_of_system = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
  const int system_error = is_of_system ? sqlite3_system_errno(connection_) : 0;
  std::string message = absl::StrCat(path_, ": ", sqlite3_errmsg(connection_));
  if (primary == SQLITE_BUSY) message = path_ + ": another program holds it";
  if (system_error != 0) absl::StrAppend(&message, " (", std::strerror(system_error), ")");
  return absl::Status(CodeOf(code, system_error), message);
}

}  // namespace culvert::server
