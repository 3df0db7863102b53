#include "server/tls_reload.h"

#include <utility>

#include "core/base/log.h"
#include "core/crypto/secret.h"

namespace culvert::server {
namespace {

// Reads each file once, however many entries name it. Erases what it read.
class OneLook {
 public:
  explicit OneLook(const ReadFile& read) : read_(read) {}
  ~OneLook() {
    for (auto& [path, content] : seen_) {
      if (content.ok()) SecureErase({reinterpret_cast<uint8_t*>(content->data()), content->size()});
    }
  }
  OneLook(const OneLook&) = delete;
  OneLook& operator=(const OneLook&) = delete;

  absl::StatusOr<std::string> Read(const std::string& path, const std::string& field, size_t max_bytes) {
    const auto [at, is_new] = seen_.try_emplace(path, std::string());
    if (is_new) at->second = read_(path, field, max_bytes);
    return at->second;
  }
  absl::StatusOr<uint64_t> Hash(const std::string& path, const std::string& field, const KeyedHash& hash) {
    if (path.empty()) return hash({});
    if (const auto known = hashes_.find(path); known != hashes_.end()) return known->second;
    const auto [at, is_new] = seen_.try_emplace(path, std::string());
    if (is_new) at->second = read_(path, field, kMaxTlsFileBytes);
    if (!at->second.ok()) return at->second.status();
    return hashes_[path] = hash(AsBytes(*at->second));
  }

 private:
  const ReadFile& read_;
  std::map<std::string, uint64_t> hashes_;
  std::map<std::string, absl::StatusOr<std::string>> seen_;
};

}  // namespace

std::vector<EntryPtr> TlsReload::Look(const ObjectTable& table, const ReadFile& read, const KeyedHash& hash) {
  OneLook look(read);
  const ReadFile read_once = [&look](const std::string& path, const std::string& field, size_t max_bytes) {
    return look.Read(path, field, max_bytes);
  };
  const HashFile hash_once = [&](const std::string& path, const std::string& field) { return look.Hash(path, field, hash); };
  std::erase_if(failing_, [&](const auto& item) { return table.Find(item.first) != item.second.entry; });
  std::vector<EntryPtr> renewed;
  for (const auto& [key, entry] : table.entries()) {
    const v1::TlsSpec* spec = TlsOf(entry->object);
    if (spec == nullptr || entry->tls == nullptr) continue;
    const TlsUse use = TlsUseOf(entry->object, "spec.tls");
    const absl::StatusOr<uint64_t> found = FingerprintOf(*spec, use, hash_once, hash);
    if (!found.ok()) {
      const std::string why(found.status().message());
      Fail(entry, hash(AsBytes(why)), why);
      continue;
    }
    if (*found == entry->tls_fingerprint) {
      failing_.erase(key);
      continue;
    }
    const auto known = failing_.find(key);
    if (known != failing_.end() && known->second.is_certain && known->second.seen == *found) continue;
    const absl::StatusOr<TlsFiles> files = ReadTlsFiles(*spec, use, read_once, hash);
    if (!files.ok()) continue;  // cannot be: all were read a moment ago
    TlsResult made = MakeTlsContext(*spec, use, *files);
    if (made.fault) {
      Fail(entry, files->fingerprint, made.fault->path + ": " + made.fault->description);
      continue;
    }
    failing_.erase(key);
    auto next = std::make_shared<Entry>(*entry);
    next->tls = std::move(made.context);
    next->tls_fingerprint = files->fingerprint;
    const auto& own = next->tls->own_certificate();
    Log(LogLevel::kInfo, "control", key.ToString() + ": new handshakes use the renewed files of spec.tls",
        {{"certificate", own ? own->subject : ""}, {"spki", own ? tls::FormatSpkiPin(own->spki) : ""}});
    renewed.push_back(std::move(next));
  }
  return renewed;
}

void TlsReload::Fail(const EntryPtr& entry, uint64_t seen, const std::string& description) {
  Failing& failing = failing_[KeyOf(entry->object)];
  const bool is_again = failing.entry == entry && failing.seen == seen;
  const bool was_certain = is_again && failing.is_certain;
  failing = {entry, seen, description, is_again};
  if (!is_again || was_certain) return;
  Log(LogLevel::kWarning, "control", KeyOf(entry->object).ToString() + ": changed files of spec.tls are not used",
      {{"reason", "RELOAD_FAILED"}, {"error", description}});
}

std::string TlsReload::FaultOf(const Entry& entry) const {
  const auto found = failing_.find(KeyOf(entry.object));
  if (found == failing_.end() || found->second.entry.get() != &entry || !found->second.is_certain) return "";
  return found->second.description;
}

}  // namespace culvert::server
