// The completion scripts in their shells, and the manual pages in their reader. Which shells there are depends on the machine; one that
// is missing skips loudly.
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_split.h"
#include "tests/e2e/tunnel_pair.h"
#include "tests/testing/free_port.h"

namespace culvert::testing {
namespace {

using ::testing::HasSubstr;

constexpr Duration kLimit = std::chrono::seconds(60);

bool HasProgram(const std::string& name) { return RunProgram({name, "--version"}, kLimit).exit_code == 0; }

bool IsSet(const char* name, std::string_view value) {
  const char* found = std::getenv(name);
  return found != nullptr && found == value;
}

#define CULVERT_SKIP_WITHOUT(program)                                                                 \
  do {                                                                                                \
    if (HasProgram(program)) break;                                                                   \
    if (IsSet("CI", "true")) FAIL() << "no " << (program) << ": run deploy/setup";                    \
    GTEST_SKIP() << "SKIPPED: NO " << (program) << " HERE, so nothing was proved. Run deploy/setup."; \
  } while (false)

std::string FolderOfCtl() { return std::filesystem::path(CulvertctlBinary()).parent_path().string(); }

class InShell : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto daemon = Daemon::Start();
    ASSERT_TRUE(daemon.ok()) << daemon.status();
    daemon_ = daemon->release();
    ASSERT_EQ(daemon_->Apply(TcpListener("local-pg", "127.0.0.1:0")).exit_code, 0);
  }
  static void TearDownTestSuite() { delete daemon_; }
  void SetUp() override { ASSERT_NE(daemon_, nullptr); }

  ProcessOptions Options(std::vector<std::string> arguments) const {
    ProcessOptions options;
    options.arguments = std::move(arguments);
    options.environment = {{"CULVERTCTL_ADDRESS", daemon_->address()}, {"XDG_CONFIG_HOME", home_.path()}, {"HOME", home_.path()}};
    options.working_directory = home_.path();
    return options;
  }
  // The line after TAB.
  std::string AfterTab(const std::string& shell, const std::string& line) const {
    const RunResult result =
        RunProgram(Options({"/usr/bin/python3", "-B", SHELLS_FOLDER "/complete_in_shell.py", shell, FolderOfCtl(), line}), kLimit);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out.substr(0, result.out.find('\n'));
  }
  // What every shell makes of a line.
  void ExpectCompletes(const std::string& shell) const {
    (void)home_.Write("a-file.yaml", "");
    const std::pair<std::string, std::string> rows[] = {
        {"culvertctl stat", "culvertctl status "},
        {"culvertctl version --cl", "culvertctl version --client "},
        {"culvertctl config use-c", "culvertctl config use-context "},
        {"culvertctl get listeners lo", "culvertctl get listeners local-pg "},
        {"culvertctl delete lsn/lo", "culvertctl delete lsn/local-pg "},
        {"culvertctl --address " + daemon_->address() + " get lsn lo", "culvertctl --address " + daemon_->address() + " get lsn local-pg "},
        {"culvertctl version --output=j", "culvertctl version --output=json "},
        {"culvertctl explain dialer.spec.kc", "culvertctl explain dialer.spec.kcp."},
        {"culvertctl apply -f a-f", "culvertctl apply -f a-file.yaml "},
        {"culvertctl get listeners nobody", "culvertctl get listeners nobody"},
    };
    for (const auto& [typed, completed] : rows) {
      // Zsh takes the space behind a word back as soon as the cursor goes elsewhere.
      EXPECT_EQ(AfterTab(shell, typed), shell == "zsh" ? completed.substr(0, completed.find_last_not_of(' ') + 1) : completed);
    }
  }

  TempDir home_;
  static Daemon* daemon_;
};
Daemon* InShell::daemon_ = nullptr;

TEST_F(InShell, Bash) {
  CULVERT_SKIP_WITHOUT("bash");
  ExpectCompletes("bash");
}

TEST_F(InShell, Zsh) {
  CULVERT_SKIP_WITHOUT("zsh");
  ExpectCompletes("zsh");
}

TEST_F(InShell, Fish) {
  CULVERT_SKIP_WITHOUT("fish");
  (void)home_.Write("a-file.yaml", "");
  const auto candidates = [this](const std::string& line) {
    ProcessOptions options =
        Options({"fish", "-c", "set -x PATH " + FolderOfCtl() + " $PATH; culvertctl completion fish | source; complete -C '" + line + "'"});
    const RunResult result = RunProgram(options, kLimit);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    std::vector<std::string> words = absl::StrSplit(result.out, '\n', absl::SkipEmpty());
    for (std::string& word : words) word = word.substr(0, word.find('\t'));
    return words;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(candidates("culvertctl stat"), ElementsAre("status"));
  EXPECT_THAT(candidates("culvertctl get listeners lo"), ElementsAre("local-pg"));
  EXPECT_THAT(candidates("culvertctl delete lsn/lo"), ElementsAre("lsn/local-pg"));
  EXPECT_THAT(candidates("culvertctl version --output=j"), ElementsAre("--output=json"));
  EXPECT_THAT(candidates("culvertctl config use-c"), ElementsAre("use-context"));
  EXPECT_THAT(candidates("culvertctl apply -f a-f"), ElementsAre("a-file.yaml"));
  EXPECT_THAT(candidates("culvertctl explain dialer.spec.kc"), ElementsAre("dialer.spec.kcp."));
  EXPECT_THAT(candidates("culvertctl get listeners nobody"), ElementsAre());
}

TEST_F(InShell, AnswersTheSameEveryTime) {
  Duration best = kLimit;
  for (int i = 0; i < 20; ++i) {
    const TimePoint begin = MonotonicNow();
    const RunResult result = RunProgram(Options({CulvertctlBinary(), "__complete", "--", "get", "listeners", ""}), kLimit);
    best = std::min(best, MonotonicNow() - begin);
    ASSERT_EQ(result.out, "local-pg\n:\n");
  }
  // A figure, not a verdict: what a slow machine takes is no fault of ours. 50 ms are meant.
  RecordProperty("best_ms", static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(best).count()));
}

class Manual : public ::testing::Test {
 protected:
  void SetUp() override {
    const RunResult made = RunProgram({CulvertctlBinary(), "__man", folder_.path()}, kLimit);
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
  // What completion has to offer, without descriptions.
  static std::vector<std::string> Offered(std::vector<std::string> words) {
    words.insert(words.begin(), {CulvertctlBinary(), "__complete", "--"});
    std::vector<std::string> lines = absl::StrSplit(RunProgram(words, kLimit).out, '\n', absl::SkipEmpty());
    if (!lines.empty()) lines.pop_back();
    for (std::string& line : lines) line = line.substr(0, line.find('\t'));
    return lines;
  }
  TempDir folder_;
};

TEST_F(Manual, HasEveryVerbAndEveryFlag) {
  const auto escaped = [](const std::string& flag) {
    std::string out;
    for (const char c : flag) out += c == '-' ? "\\-" : std::string(1, c);
    return "\\fB" + out + "\\fR";
  };
  const std::string whole = ReadFile(folder_.File("culvertctl.1"));
  const std::vector<std::string> verbs = Offered({""});
  EXPECT_GT(verbs.size(), 10u);
  for (const std::string& verb : verbs) {
    const std::string page = ReadFile(folder_.File("culvertctl-" + verb + ".1"));
    EXPECT_THAT(page, HasSubstr(".SH SYNOPSIS")) << verb;
    EXPECT_THAT(page, HasSubstr(".EX\n")) << verb;
    for (const std::string& flag : Offered({verb, "--"})) {
      EXPECT_THAT(page + whole, HasSubstr(escaped(flag))) << verb;
    }
  }
}

TEST_F(Manual, ReadsWithoutAWarning) {
  CULVERT_SKIP_WITHOUT("man");
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
    ProcessOptions options;
    options.arguments = {"man", "--warnings=w", "--local-file", "-Tutf8", entry.path().string()};
    options.environment = {{"MANWIDTH", "80"}, {"LC_ALL", "C.UTF-8"}, {"PAGER", "cat"}, {"MANPAGER", "cat"}};
    const RunResult result = RunProgram(options, kLimit);
    EXPECT_EQ(result.exit_code, 0) << entry.path();
    EXPECT_EQ(result.err, "") << entry.path();
    EXPECT_THAT(result.out, HasSubstr("CULVERTCTL"));
  }
}

}  // namespace
}  // namespace culvert::testing
