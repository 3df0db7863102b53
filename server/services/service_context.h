// What every service of one gRPC server needs. All of it outlives the services.
#pragma once

#include <memory>

namespace culvert::server {

class CallBook;
class CallerSource;
class PageTokens;
class StandingCalls;
class StatsHub;
class Supervisor;

struct ServiceContext {
  Supervisor* supervisor = nullptr;
  const PageTokens* tokens = nullptr;
  const CallerSource* callers = nullptr;
  std::shared_ptr<CallBook> calls;
  StandingCalls* standing = nullptr;
};

}  // namespace culvert::server
