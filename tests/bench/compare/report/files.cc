#include "tests/bench/compare/report/files.h"

#include <filesystem>
#include <fstream>

#include "core/base/status_macros.h"
#include "tests/bench/compare/report/plot.h"
#include "tests/bench/compare/report/table.h"

namespace culvert::bench {
namespace {

absl::Status Write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  return file.good() ? absl::OkStatus() : absl::InternalError("cannot write " + path.string());
}

}  // namespace

absl::Status WriteFiles(const Results& results, const std::vector<std::string>& profiles,
                        const std::vector<std::string>& subjects, const std::string& directory) {
  const std::filesystem::path folder(directory);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::InternalError("cannot make " + directory + ": " + error.message());
  CULVERT_RETURN_IF_ERROR(Write(folder / "compare.txt", Table(results, profiles, subjects)));
  CULVERT_RETURN_IF_ERROR(Write(folder / "compare.tsv", results.ToTsv()));
  for (const std::string& profile : profiles) {
    const std::string plot = Plot(results, profile, subjects);
    if (!plot.empty()) CULVERT_RETURN_IF_ERROR(Write(folder / ("compare-" + profile + ".svg"), plot));
  }
  return absl::OkStatus();
}

}  // namespace culvert::bench
