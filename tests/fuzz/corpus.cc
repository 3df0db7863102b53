#include "tests/fuzz/corpus.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace culvert::fuzz {
namespace {

void LoadFolder(const std::filesystem::path& folder, std::vector<CorpusFile>& files) {
  if (!std::filesystem::exists(folder)) return;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    CorpusFile loaded{entry.path().filename(), {}};
    loaded.bytes.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    files.push_back(std::move(loaded));
  }
}

}  // namespace

std::vector<CorpusFile> LoadCorpus(std::string_view target) {
  std::vector<CorpusFile> files;
  LoadFolder(std::filesystem::path(CULVERT_CORPUS) / target, files);
  LoadFolder(std::filesystem::path(CULVERT_REGRESSIONS) / target, files);
  std::sort(files.begin(), files.end(), [](const CorpusFile& a, const CorpusFile& b) { return a.name < b.name; });
  return files;
}

}  // namespace culvert::fuzz
