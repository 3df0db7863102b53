// buf's judgement of the protos, and that it has one: each of these is also tried on a copy with something wrong in it.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_replace.h"
#include "tests/testing/peer_files.h"
#include "tests/testing/process.h"
#include "tests/testing/temp_dir.h"

namespace culvert::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr Duration kLimit = std::chrono::seconds(60);

class Buf : public ::testing::Test {
 protected:
  void SetUp() override {
    program_ = FindTool("buf");
    if (!program_.empty()) return;
#if defined(__x86_64__) || defined(__aarch64__)
    // A machine with npm can have it.
    ASSERT_EQ(FindInstalled("npm"), "") << "buf is missing although npm is here: run deploy/setup, which says what is wrong";
#endif
    GTEST_SKIP() << "SKIPPED: NO BUF HERE, so the protos were neither linted nor compared by it. npm, which brings it, is missing: install node "
                    "and run deploy/setup";
  }

  RunResult Run(std::vector<std::string> arguments, const std::string& folder) const {
    ProcessOptions process;
    arguments.insert(arguments.begin(), program_);
    process.arguments = std::move(arguments);
    process.working_directory = folder;
    process.environment = {{"XDG_CACHE_HOME", cache_.path()}};
    RunResult result = RunProgram(process, kLimit);
    if (result.exit_code != 0) result.err += result.out;
    return result;
  }
  RunResult Lint(const std::string& folder) const { return Run({"lint"}, folder); }
  // What the baseline imports is not ours, and buf has its own.
  RunResult Breaking(const std::string& folder) const {
    return Run({"breaking", "--against", API_BASELINE, "--exclude-imports"}, folder);
  }

  // A copy of the protos in which `text` of `file` is `other`.
  std::string WithChange(const std::string& file, const std::string& text, const std::string& other) const {
    fs::copy(fs::path(PROTO_FOLDER) / "culvert", copy_.File("culvert"), fs::copy_options::recursive);
    fs::copy(fs::path(PROTO_FOLDER) / "buf.yaml", copy_.File("buf.yaml"));
    const std::string path = copy_.File("culvert/v1/" + file);
    std::string content = ReadFile(path);
    EXPECT_EQ(absl::StrReplaceAll({{text, other}}, &content), 1) << file << ": " << text;
    std::ofstream(path, std::ios::binary) << content;
    return copy_.path();
  }

  std::string program_;
  TempDir cache_;
  TempDir copy_;
};

TEST_F(Buf, LintFindsNothing) {
  const RunResult result = Lint(PROTO_FOLDER);
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST_F(Buf, LintFindsWhatIsWrong) {
  const RunResult result = Lint(WithChange("access.proto", "service AccessService {", "service Access {"));
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("Service name \"Access\" should be suffixed with \"Service\"."));
}

TEST_F(Buf, NothingBreaksTheBaseline) {
  const RunResult result = Breaking(PROTO_FOLDER);
  EXPECT_EQ(result.exit_code, 0) << result.err << "\nproto/README.md says what to do.";
}

TEST_F(Buf, BreakingFindsARenamedField) {
  const RunResult result = Breaking(WithChange("session.proto", "string remote_address = 7;", "string peer_address = 7;"));
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("changed name from \"remote_address\" to \"peer_address\""));
}

}  // namespace
}  // namespace culvert::testing
