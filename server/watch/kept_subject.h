// KeptSubject: what can be watched, at a moment, as it goes over the wire. As a message it would take three times the memory; a reader needs
// a message of its own in any case, and parsing one takes no longer than copying one.
// Thread: immutable; may be shared.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "culvert/v1/observe.pb.h"

namespace culvert::server {

using WatchedSubject = v1::WatchResponse::Change;  // with the subject set; type and initial are filled in for each reader

class KeptSubject {
 public:
  static std::shared_ptr<const KeptSubject> Of(const WatchedSubject& subject) { return std::make_shared<const KeptSubject>(subject.SerializeAsString()); }

  explicit KeptSubject(std::string encoded) : encoded_(std::move(encoded)) {}

  void ReadInto(WatchedSubject& subject) const { subject.ParseFromString(encoded_); }
  [[nodiscard]] WatchedSubject Read() const {
    WatchedSubject subject;
    ReadInto(subject);
    return subject;
  }
  [[nodiscard]] const std::string& encoded() const { return encoded_; }
  [[nodiscard]] size_t size() const { return encoded_.size(); }

 private:
  const std::string encoded_;
};
using KeptSubjectPtr = std::shared_ptr<const KeptSubject>;

}  // namespace culvert::server
