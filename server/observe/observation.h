// Observation: what there is to tell of the daemon at a moment, for who looks from outside (Supervisor::Observe).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "culvert/v1/config.pb.h"
#include "culvert/v1/daemon.pb.h"
#include "server/report_collector.h"
#include "server/status_view.h"

namespace culvert::server {

struct Observation {
  std::string version;
  int64_t start_unix_ns = 0;
  ReportPtr report;                  // all objects and totals, with sessions
  std::vector<ObjectView> objects;   // that are in force, by kind and name
  std::vector<std::string> pending;  // subjects of kept objects that are not in force
  v1::Drain drain;
  v1::GetConfigStatusResponse config;
  bool state_is_kept = false;
  size_t watch_readers = 0;
};

}  // namespace culvert::server
