#include "server/store/object_store.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <utility>

#include "core/base/status_macros.h"

namespace culvert::server {
namespace {

bool HasStatus(const v1::Object& object) {
  return object.listener().has_status() || object.dialer().has_status() || object.forward().has_status();
}

// The same object gives the same bytes, whatever the order of its maps.
std::string Serialise(const v1::Object& object) {
  if (HasStatus(object)) {
    v1::Object without = object;
    if (without.has_listener()) without.mutable_listener()->clear_status();
    if (without.has_dialer()) without.mutable_dialer()->clear_status();
    if (without.has_forward()) without.mutable_forward()->clear_status();
    return Serialise(without);
  }
  std::string body;
  body.reserve(object.ByteSizeLong());  // growing would leave copies behind
  google::protobuf::io::StringOutputStream stream(&body);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  object.SerializeToCodedStream(&coded);
  coded.Trim();
  return body;
}

std::string WhyNotUsable(const Row& row) {
  v1::Object object;
  if (!object.ParseFromString(row.body)) return "its object cannot be read";
  const std::optional<Kind> kind = KindOf(object);
  if (!kind) return "its object is of no kind that is known";
  if (KindInfo(*kind).singular != row.kind || MetadataOf(object).name() != row.name) return "its object has another name";
  return "";
}

class Rows {
 public:
  void Add(const ObjectKey& key, const v1::Object* object) {
    changes_.push_back({KindInfo(key.kind).singular, key.name, std::nullopt});
    if (object != nullptr) changes_.back().body = Serialise(*object);
  }
  ~Rows() {
    for (RowChange& change : changes_) {
      if (change.body) Erase(*change.body);
    }
  }
  const std::vector<RowChange>& changes() const { return changes_; }

 private:
  std::vector<RowChange> changes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ObjectStore>> ObjectStore::Open(const std::string& folder, RandomSource& random,
                                                               StoreContent& content) {
  RowContent rows;
  absl::StatusOr<std::unique_ptr<RowStore>> opened = RowStore::Open(folder, random, WhyNotUsable, rows);
  content = StoreContent();
  content.set_aside = std::move(rows.set_aside);
  content.fault = std::move(rows.fault);
  content.etag_key = rows.etag_key;
  content.objects.reserve(rows.rows.size());
  for (const Row& row : rows.rows) content.objects.emplace_back().ParseFromString(row.body);
  std::sort(content.objects.begin(), content.objects.end(),
            [](const v1::Object& a, const v1::Object& b) { return KeyOf(a) < KeyOf(b); });
  if (!opened.ok()) return opened.status();
  return std::unique_ptr<ObjectStore>(new ObjectStore(*std::move(opened)));
}

absl::Status ObjectStore::Commit(const std::vector<StoreChange>& changes) {
  Rows rows;
  for (const StoreChange& change : changes) rows.Add(change.key, change.object ? &*change.object : nullptr);
  return rows_->Commit(rows.changes());
}

absl::Status ObjectStore::Replace(const std::vector<v1::Object>& objects, const std::string& etag_key) {
  Rows rows;
  for (const v1::Object& object : objects) rows.Add(KeyOf(object), &object);
  return rows_->Replace(rows.changes(), etag_key);
}

}  // namespace culvert::server
