#include "tests/fuzz/control_files.h"

#include <map>

#include "server/error_builder.h"
#include "tests/fuzz/messages.h"
#include "tests/testing/certificate_maker.h"

namespace culvert::fuzz {
namespace {

// By the last part of their path, so that they are found from wherever a file with relative names is read.
const std::map<std::string, std::string>& Files() {
  static const auto* const files = [] {
    const testing::Certificate authority = testing::MakeCa("fuzz CA");
    const testing::Certificate leaf = testing::MakeLeaf(authority, {"far.example"});
    return new std::map<std::string, std::string>{{"seed", std::string(kCanary) + " in a file"},
                                                  {"certificate", leaf.chain_pem},
                                                  {"key", leaf.private_key_pem},
                                                  {"trust", authority.certificate_pem},
                                                  {"users", "alice:" + std::string(kCanary) + "\n"},
                                                  {"empty", ""}};
  }();
  return *files;
}

absl::StatusOr<std::string> Read(const std::string& path, const std::string& field) {
  const auto found = Files().find(path.substr(path.rfind('/') + 1));
  if (found != Files().end()) return found->second;
  return server::ErrorBuilder(absl::StatusCode::kFailedPrecondition, "CREDENTIAL_UNREADABLE", field + ": there is no such file")
      .Metadata("field", field)
      .Build();
}

}  // namespace

absl::StatusOr<std::string> ReadFuzzSeedFile(const std::string& path, const std::string& field) { return Read(path, field); }

server::ReadFile ReadFuzzFile() {
  return [](const std::string& path, const std::string& field, size_t) { return Read(path, field); };
}

}  // namespace culvert::fuzz
