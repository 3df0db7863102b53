#include "server/store/row_reader.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/crypto/secret.h"
#include "server/store/schema.h"

namespace culvert::server {
namespace {

constexpr std::string_view kDomain = "culvert-object-1";
constexpr size_t kMaxShownBytes = 100;

void AppendSized(std::string& to, std::string_view text) {
  uint8_t size[4];
  StoreBigEndian32(size, static_cast<uint32_t>(text.size()));
  to.append(AsText(size));
  to.append(text);
}

uint64_t LoadBigEndian64(const uint8_t* from) { return uint64_t{LoadBigEndian32(from)} << 32 | LoadBigEndian32(from + 4); }

void AppendBigEndian64(std::string& to, uint64_t value) {
  uint8_t bytes[8];
  StoreBigEndian32(bytes, static_cast<uint32_t>(value >> 32));
  StoreBigEndian32(bytes + 4, static_cast<uint32_t>(value));
  to.append(AsText(bytes));
}

std::string Shown(std::optional<std::string_view> text) {
  if (!text.has_value()) return "";
  std::string shown = absl::CHexEscape(std::string(text->substr(0, kMaxShownBytes)));
  return text->size() > kMaxShownBytes ? shown + "..." : shown;
}

// Damage found on the way is what we look for; everything else ends the reading.
bool IsDamage(const absl::Status& status) { return absl::IsDataLoss(status); }

// nullopt: the row is good, and `row` holds it.
std::optional<DamagedRow> ReadRow(Statement& select, const Judge& judge, Row& row) {
  DamagedRow damaged{.number = row.number, .is_readable = true};
  const auto kind = select.Text(0);
  const auto name = select.Text(1);
  const auto body = select.Blob(2);
  const auto checksum = select.Blob(3);
  damaged.shown = {Shown(kind), Shown(name), ""};
  if (damaged.shown.name.empty()) damaged.shown.name = absl::StrCat("row ", row.number);
  if (!kind || !name || !body || !checksum) {
    damaged.shown.reason = "a column holds something else than it must";
  } else if (kind->size() > kMaxKindBytes || name->size() > kMaxNameBytes || body->size() > kMaxBodyBytes) {
    damaged.shown.reason = "it is larger than a row can be";
  } else {
    row.checksum = ChecksumOf(*kind, *name, AsText(*body));
    if (AsText(*checksum) != AsText(row.checksum)) {
      damaged.shown.reason = "its checksum does not fit";
    } else {
      row.kind = *kind;
      row.name = *name;
      row.body = AsText(*body);
      damaged.shown.reason = judge(row);
      if (damaged.shown.reason.empty()) return std::nullopt;
      Erase(row.body);
    }
  }
  return damaged;
}

absl::Status CheckStructure(Database& database, FileContent& content) {
  CULVERT_ASSIGN_OR_RETURN(const std::string verdict, database.Text("PRAGMA quick_check(1)"));
  if (verdict != "ok") content.damage = Shown(verdict);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int64_t>> ReadNumbers(Database& database, std::string& damage) {
  std::vector<int64_t> numbers;
  CULVERT_ASSIGN_OR_RETURN(Statement all, database.Prepare("SELECT number FROM objects ORDER BY number"));
  for (;;) {
    const absl::StatusOr<bool> has_row = all.Step();
    if (!has_row.ok()) {
      if (!IsDamage(has_row.status())) return has_row.status();
      if (damage.empty()) damage = std::string(has_row.status().message());
      break;
    }
    if (!*has_row) break;
    if (numbers.size() == kMaxRows) {
      damage = absl::StrCat("it has more than ", kMaxRows, " rows");
      break;
    }
    numbers.push_back(all.Integer(0));
  }
  return numbers;
}

absl::Status ReadRows(Database& database, const Judge& judge, FileContent& content) {
  CULVERT_ASSIGN_OR_RETURN(const std::vector<int64_t> numbers, ReadNumbers(database, content.damage));
  // One by one, so that a row whose bytes make no sense does not hide those behind it.
  CULVERT_ASSIGN_OR_RETURN(Statement select, database.Prepare("SELECT kind, name, body, checksum FROM objects WHERE number=?1"));
  std::set<std::pair<std::string, std::string>> seen;
  content.rows.reserve(numbers.size());
  for (const int64_t number : numbers) {
    const absl::StatusOr<bool> has_row = select.Bind(1, number).Step();
    if (!has_row.ok() && !IsDamage(has_row.status())) return has_row.status();
    Row row{.number = number};
    std::optional<DamagedRow> damaged;
    if (has_row.ok() && *has_row) {
      damaged = ReadRow(select, judge, row);
      if (!damaged && !seen.emplace(row.kind, row.name).second) {
        damaged = DamagedRow{number, true, {Shown(row.kind), Shown(row.name), "it is there twice"}};
        Erase(row.body);
      }
    } else {
      damaged = DamagedRow{number, false, {"", absl::StrCat("row ", number), "it cannot be read"}};
    }
    if (damaged) {
      content.damaged.push_back(*std::move(damaged));
    } else {
      content.rows.push_back(std::move(row));
    }
    select.Reset();
  }
  return absl::OkStatus();
}

absl::Status ReadMeta(Database& database, FileContent& content) {
  CULVERT_ASSIGN_OR_RETURN(Statement select, database.Prepare("SELECT name, value, checksum FROM meta ORDER BY number LIMIT 16"));
  for (;;) {
    CULVERT_ASSIGN_OR_RETURN(const bool has_row, select.Step());
    if (!has_row) return absl::OkStatus();
    const auto name = select.Text(0);
    const auto value = select.Blob(1);
    const auto checksum = select.Blob(2);
    if (!name || !value || !checksum || AsText(*checksum) != AsText(ChecksumOf("meta", *name, AsText(*value)))) continue;
    if (*name == "etag_key" && value->size() == kEtagKeyBytes) content.etag_key = AsText(*value);
    if (*name == "state") content.state = StoreState::Decode(AsText(*value));
  }
}

}  // namespace

void Erase(std::string& secret) {
  SecureErase({reinterpret_cast<uint8_t*>(secret.data()), secret.size()});
  secret.clear();
}

Checksum ChecksumOf(std::string_view kind, std::string_view name, std::string_view body) {
  std::string bytes;
  bytes.reserve(kDomain.size() + kind.size() + name.size() + body.size() + 8);
  bytes.append(kDomain);
  AppendSized(bytes, kind);
  AppendSized(bytes, name);
  bytes.append(body);
  const Checksum checksum = Sha256(AsBytes(bytes));
  Erase(bytes);
  return checksum;
}

void StoreState::Add(const Checksum& row) {
  ++rows;
  for (size_t i = 0; i < all.size(); ++i) all[i] ^= row[i];
}

void StoreState::Remove(const Checksum& row) {
  --rows;
  for (size_t i = 0; i < all.size(); ++i) all[i] ^= row[i];
}

std::string StoreState::Encode() const {
  std::string bytes;
  AppendBigEndian64(bytes, generation);
  AppendBigEndian64(bytes, rows);
  bytes.append(AsText(all));
  return bytes;
}

std::optional<StoreState> StoreState::Decode(std::string_view bytes) {
  if (bytes.size() != kBytes) return std::nullopt;
  StoreState state{.generation = LoadBigEndian64(AsBytes(bytes).data()), .rows = LoadBigEndian64(AsBytes(bytes).data() + 8)};
  std::copy_n(AsBytes(bytes).data() + 16, state.all.size(), state.all.begin());
  return state;
}

FileContent::~FileContent() {
  Erase(etag_key);
  for (Row& row : rows) Erase(row.body);
}

StoreState FileContent::Sum() const {
  StoreState sum{.generation = state ? state->generation : 0};
  for (const Row& row : rows) sum.Add(row.checksum);
  return sum;
}

bool FileContent::IsComplete() const { return damaged.empty() && state.has_value() && *state == Sum(); }

absl::StatusOr<FileContent> ReadContent(Database& database, const Judge& judge) {
  FileContent content;
  // Structure first: what is said about it is the best reason to show. Damage in one part does not keep the others from being read.
  const std::function<absl::Status()> steps[] = {[&] { return CheckStructure(database, content); }, [&] { return CheckTables(database); },
                                                 [&] { return ReadMeta(database, content); },
                                                 [&] { return ReadRows(database, judge, content); }};
  for (const auto& step : steps) {
    const absl::Status status = step();
    if (status.ok()) continue;
    if (!IsDamage(status) && content.damage.empty()) return status;
    if (content.damage.empty()) content.damage = std::string(status.message());
  }
  return content;
}

}  // namespace culvert::server
