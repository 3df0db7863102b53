// ObjectTable: the declared objects as a value. A change is planned on a copy (change_plan.h) and takes effect by replacing the
// table as a whole, so that there is nothing to undo. Entries are immutable and shared between copies.
// Thread: a table is a value of the control thread; entries may be read anywhere.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "core/base/time.h"
#include "core/frontdoor/users.h"
#include "core/kcp/config.h"
#include "core/quic/config.h"
#include "core/tls/tls_context.h"
#include "culvert/v1/config.pb.h"
#include "server/object_kind.h"
#include "server/quic_identity.h"

namespace culvert::server {

class ConditionMemory;  // status_view.h

struct Entry {
  v1::Object object;         // metadata and spec, the seed included; never a status
  std::optional<TimePoint> lease_end;  // of an object with a ttl: then it goes
  bool is_draining = false;  // it is about to be deleted and takes nothing new
  uint64_t incarnation = 0;  // another number: another running object (ObjectId in config.h)
  // Keyed hash of the content of spec.kcp.seed_file or spec.quic.outer.key_file, so that a rotated file is a change though the
  // spec is the same.
  uint64_t secret_file_fingerprint = 0;
  std::shared_ptr<const kcp::KcpConfig> kcp;     // transport KCP
  std::shared_ptr<const quic::QuicConfig> quic;  // transport QUIC
  std::shared_ptr<const QuicShared> quic_shared; // transport QUIC
  // For new handshakes; nullptr: no TLS. Another one takes its place when the files change (tls_reload.h).
  std::shared_ptr<const tls::TlsContext> tls;
  uint64_t tls_fingerprint = 0;               // of the files (tls_files.h)
  std::shared_ptr<ConditionMemory> conditions;  // of the object, through all its changes
  std::shared_ptr<const frontdoor::UserTable> users;  // listeners with users_file
  uint64_t users_fingerprint = 0;                     // keyed hash of its content
};
using EntryPtr = std::shared_ptr<const Entry>;

class ObjectTable {
 public:
  // Copied for every change and walked as often, which a tree of wide nodes is made for.
  using Entries = absl::btree_map<ObjectKey, EntryPtr>;

  // nullptr when there is none.
  EntryPtr Find(const ObjectKey& key) const;
  void Put(EntryPtr entry);
  void Erase(const ObjectKey& key) { entries_.erase(key); }

  size_t size() const { return entries_.size(); }
  size_t CountOf(Kind kind) const;
  // Sorted by kind and name.
  const Entries& entries() const { return entries_; }
  std::vector<EntryPtr> OfKind(Kind kind) const;
  // The forwards that name the listener (also as reverse_listener) or dialer `key`.
  std::vector<ObjectKey> ReferrersOf(const ObjectKey& key) const;
  // The same of all that are named, for who asks about many.
  std::map<ObjectKey, std::vector<ObjectKey>> Referrers() const;

 private:
  Entries entries_;
};

// Whether nobody is verified: neither a secret seed nor TLS, or a dialer's TLS without verification (QUIC's too).
bool IsInsecure(const Entry& entry);

// A copy without secrets, as every reader of the API gets it.
v1::Object RedactedObject(const Entry& entry);

}  // namespace culvert::server
