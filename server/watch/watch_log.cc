#include "server/watch/watch_log.h"

#include <algorithm>
#include <utility>

namespace culvert::server {

void WatchLog::Append(WatchRecord record) {
  if (record.revision == 0) record.revision = revisions_.Next();
  bytes_ += record.subject->size();
  records_.push_back(std::make_shared<const WatchRecord>(std::move(record)));
  while (records_.size() > kMaxRecords || (bytes_ > kMaxBytes && records_.size() > 1)) {
    compacted_ = records_.front()->revision;
    bytes_ -= records_.front()->subject->size();
    records_.pop_front();
  }
}

WatchRecordPtr WatchLog::NextAfter(int64_t revision) const {
  const auto at = std::ranges::upper_bound(records_, revision, {}, [](const WatchRecordPtr& record) { return record->revision; });
  return at != records_.end() ? *at : nullptr;
}

}  // namespace culvert::server
