// TlsReload: looks whether the files behind TLS settings have changed, by what they hold, so that any way of replacing them is
// noticed: a file moved over another, one written anew, a link that points elsewhere (as Kubernetes does).
//
// A changed and valid set becomes an entry that differs in its context only. A changed set that is not valid is left for the next
// look, since files of one set are rarely replaced at one moment; if it is still the same then, it is a fault, said once.
// Thread: the control thread. Reads no clock.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/crypto/keyed_hash.h"
#include "server/object_table.h"
#include "server/tls_files.h"

namespace culvert::server {

class TlsReload {
 public:
  // One look at all files of all entries of `table`; each file is read once. Returns the entries to put in place of those that
  // stand there. Logs what is renewed and each fault.
  std::vector<EntryPtr> Look(const ObjectTable& table, const ReadFile& read, const KeyedHash& hash);

  // Why changed files of this entry are not used; empty: they are, or nothing changed.
  std::string FaultOf(const Entry& entry) const;

 private:
  struct Failing {
    EntryPtr entry;            // another one: the fault is a matter of the past
    uint64_t seen = 0;         // what was found: a hash of the contents, or of why they cannot be read
    std::string description;
    bool is_certain = false;   // found twice
  };
  void Fail(const EntryPtr& entry, uint64_t seen, const std::string& description);

  std::map<ObjectKey, Failing> failing_;
};

}  // namespace culvert::server
