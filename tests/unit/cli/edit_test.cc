// edit with editors that are scripts.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string ReadAll(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class EditTest : public testing::Test {
 protected:
  void SetUp() override {
    v1::Dialer& dialer = daemon_.dialers.emplace_back();
    dialer.mutable_metadata()->set_name("edge");
    dialer.mutable_metadata()->set_uid("u-1");
    dialer.mutable_metadata()->set_etag("\"1\"");
    dialer.mutable_spec()->set_transport(v1::TRANSPORT_KCP);
    dialer.mutable_spec()->add_targets("a:1");
    dialer.mutable_spec()->mutable_kcp()->set_mtu_bytes(1350);
    dialer.mutable_status()->set_state(v1::STATE_ACTIVE);
    temp_ = daemon_.folder() + "/temp";
    std::filesystem::create_directory(temp_);
    daemon_.variables["TMPDIR"] = temp_;
  }
  // A script of sh, with the file as $1. Copies what it sees to seen.1, seen.2, ... first.
  void SetEditor(const std::string& script) {
    const std::string count = daemon_.folder() + "/count", seen = daemon_.folder() + "/seen";
    daemon_.variables["EDITOR"] =
        "sh " + daemon_.Write("editor", "n=$(cat " + count + " 2>/dev/null || echo 0); n=$((n+1)); echo $n > " + count + "; cp \"$1\" " +
                                            seen + ".$n\nstat -c '%a' \"$1\" \"$(dirname \"$1\")\" > " + seen + ".modes\n" + script + "\n");
  }
  std::string Seen(int n) const { return ReadAll(daemon_.folder() + "/seen." + std::to_string(n)); }
  std::string Modes() const { return ReadAll(daemon_.folder() + "/seen.modes"); }
  bool IsTempEmpty() const { return std::filesystem::is_empty(temp_); }
  v1::Dialer& dialer() { return daemon_.dialers[0]; }

  FakeDaemon daemon_;
  std::string temp_;
};

TEST_F(EditTest, SendsExactlyWhatWasChanged) {
  SetEditor("sed -i 's/mtu_bytes: 1350/mtu_bytes: 1200/; s/\"a:1\"/\"b:2\"/' \"$1\"");
  const Answer answer = daemon_.Run({"edit", "dl/edge"});
  EXPECT_EQ(answer.out, "dialer/edge configured (targets, kcp.mtu_bytes)\n") << answer.err;
  EXPECT_EQ(answer.code, 0);
  EXPECT_THAT(daemon_.last_mask, ElementsAre("spec.targets", "spec.kcp.mtu_bytes"));
  EXPECT_EQ(daemon_.last_change.dialer().metadata().etag(), "\"1\"");
  EXPECT_EQ(dialer().spec().kcp().mtu_bytes(), 1200u);
  EXPECT_EQ(Seen(1).find("# Edit dialer/edge and save it."), 0u) << Seen(1);
  EXPECT_EQ(Seen(1).find("status"), std::string::npos);
  EXPECT_EQ(Seen(1).find("u-1"), std::string::npos);
  EXPECT_EQ(Modes(), "600\n700\n");
  EXPECT_TRUE(IsTempEmpty());
}

TEST_F(EditTest, KeepsSecretsThatAreNotShown) {
  // The daemon has a seed, which no read shows: the block is there, and empty but for it.
  dialer().mutable_spec()->mutable_kcp()->Clear();
  SetEditor("sed -i 's/kcp: {}/kcp: {mtu_bytes: 1200}/' \"$1\"");
  EXPECT_EQ(daemon_.Run({"edit", "dl/edge"}).code, 0);
  EXPECT_THAT(daemon_.last_mask, ElementsAre("spec.kcp.mtu_bytes"));  // not spec.kcp, which would take the seed along
}

TEST_F(EditTest, SaysBeforehandThatSessionsAreClosed) {
  SetEditor("sed -i 's/mtu_bytes: 1350/mtu_bytes: 1200/' \"$1\"");
  dialer().mutable_status()->mutable_counters()->set_active(3);
  int changes_before = -1;
  daemon_.on_apply = [&](const v1::ApplyRequest&, v1::ApplyResponse* response) {
    changes_before = daemon_.changes;
    response->add_results()->set_disruptive(true);
    return grpc::Status::OK;
  };
  const Answer answer = daemon_.Run({"edit", "dl/edge"});
  EXPECT_EQ(answer.err, "warning: dialer/edge: closes its sessions (3 now)\n");
  EXPECT_EQ(answer.code, 0);
  EXPECT_EQ(changes_before, 0);
  EXPECT_TRUE(daemon_.last_apply.validate_only());
  EXPECT_EQ(daemon_.last_apply.objects(0).dialer().spec().kcp().mtu_bytes(), 1200u);
}

TEST_F(EditTest, IsCancelledByNoChangeOrAnEmptyFile) {
  for (const char* script : {"true", "> \"$1\"", "echo '# only a comment' > \"$1\"",
                             "echo '# more' | cat - \"$1\" > \"$1.x\" && mv \"$1.x\" \"$1\"", "echo >> \"$1\""}) {
    SetEditor(script);
    const Answer answer = daemon_.Run({"edit", "dl/edge"});
    EXPECT_EQ(answer.err, "edit cancelled\n") << script;
    EXPECT_EQ(answer.out, "");
    EXPECT_EQ(answer.code, 0);
    EXPECT_TRUE(IsTempEmpty()) << script;
  }
  EXPECT_EQ(daemon_.changes, 0);
}

TEST_F(EditTest, ReopensWithTheReasonOnTop) {
  SetEditor("case $n in 1) sed -i 's/mtu_bytes: 1350/mtu: 1200/' \"$1\";; 2) sed -i 's/mtu: 1200/mtu_bytes: 1200/' \"$1\";; esac");
  const Answer answer = daemon_.Run({"edit", "dl/edge"}, "", true);
  EXPECT_EQ(answer.out, "dialer/edge configured (kcp.mtu_bytes)\n") << answer.err;
  // The line is the one where it stands in the editor now.
  const std::string seen = Seen(2);
  const auto line = 1 + std::count(seen.begin(), seen.begin() + static_cast<std::ptrdiff_t>(seen.find("    mtu: 1200")), '\n');
  EXPECT_THAT(seen, HasSubstr("\n# edited object:" + std::to_string(line) + ": spec.kcp.mtu: unknown field"));
  EXPECT_THAT(Seen(2), HasSubstr("spec.kcp.mtu: unknown field (did you mean mtu_bytes?)\n#\napiVersion"));
  EXPECT_THAT(Seen(2), HasSubstr("    mtu: 1200\n"));
  EXPECT_TRUE(IsTempEmpty());
}

TEST_F(EditTest, ReopensWithWhatTheDaemonRefuses) {
  daemon_.on_change = [this](const v1::Object&) {
    if (daemon_.changes > 1) return grpc::Status::OK;
    return ErrorWithDetails(grpc::StatusCode::INVALID_ARGUMENT, "spec.targets[0]: no\nsuch", "INVALID_FIELD");
  };
  SetEditor("case $n in 1) sed -i 's/\"a:1\"/\"b:1\"/' \"$1\";; 2) sed -i 's/\"b:1\"/\"c:1\"/' \"$1\";; esac");
  EXPECT_EQ(daemon_.Run({"edit", "dl/edge"}, "", true).code, 0);
  EXPECT_THAT(Seen(2), HasSubstr("# spec.targets[0]: no\\nsuch (INVALID_FIELD)\n"));
  EXPECT_THAT(dialer().spec().targets(), ElementsAre("c:1"));
}

TEST_F(EditTest, KeepsTheTextWhereNobodyCanBeAsked) {
  SetEditor("sed -i 's/mtu_bytes: 1350/mtu_bytes: 9/' \"$1\"");
  const Answer answer = daemon_.Run({"edit", "dl/edge"});
  EXPECT_EQ(answer.code, 2);
  EXPECT_THAT(answer.err,
              HasSubstr("spec.kcp.mtu_bytes: 9 is not in [576, 1460]\nnext: your text is kept in " + temp_ + "/culvertctl-edit."));
  const std::string kept = answer.err.substr(answer.err.find(temp_), answer.err.rfind('\n') - answer.err.find(temp_));
  EXPECT_THAT(ReadAll(kept), HasSubstr("mtu_bytes: 9\n"));
  EXPECT_EQ(daemon_.changes, 0);
}

TEST_F(EditTest, GivesUpWhenAWrongTextIsSavedAgain) {
  SetEditor("[ $n = 1 ] && sed -i 's/mtu_bytes: 1350/mtu: 1/' \"$1\" || true");
  const Answer answer = daemon_.Run({"edit", "dl/edge"}, "", true);
  EXPECT_EQ(answer.code, 2);
  EXPECT_THAT(answer.err, HasSubstr("error: edit cancelled, nothing was changed\n"));
  EXPECT_THAT(answer.err, HasSubstr("next: your text is kept in "));
  EXPECT_FALSE(IsTempEmpty());
  EXPECT_EQ(daemon_.changes, 0);
}

TEST_F(EditTest, ShowsBothVersionsAfterAConflict) {
  daemon_.on_change = [this](const v1::Object&) {
    if (daemon_.changes == 1) {
      dialer().mutable_metadata()->set_etag("\"2\"");
      dialer().mutable_spec()->set_max_sessions(5);
    }
    return grpc::Status::OK;
  };
  SetEditor("[ $n = 1 ] && sed -i 's/mtu_bytes: 1350/mtu_bytes: 1200/' \"$1\" || true");
  const Answer answer = daemon_.Run({"edit", "dl/edge"}, "", true);
  EXPECT_EQ(answer.out, "dialer/edge configured (kcp.mtu_bytes)\n") << answer.err;
  EXPECT_THAT(Seen(2), HasSubstr("# dialer/edge was changed by somebody else meanwhile."));
  EXPECT_THAT(Seen(2), HasSubstr("# theirs: spec.max_sessions: <unset> -> 5\n# yours:  spec.kcp.mtu_bytes: 1350 -> 1200\n"));
  EXPECT_THAT(Seen(2), HasSubstr("\n  max_sessions: 5\n"));
  EXPECT_EQ(dialer().spec().max_sessions(), 5u);
  EXPECT_EQ(dialer().spec().kcp().mtu_bytes(), 1200u);
}

TEST_F(EditTest, FailsOnAConflictWithoutATerminal) {
  daemon_.on_change = [this](const v1::Object&) {
    dialer().mutable_metadata()->set_etag("\"2\"");
    return grpc::Status::OK;
  };
  SetEditor("sed -i 's/mtu_bytes: 1350/mtu_bytes: 1200/' \"$1\"");
  const Answer answer = daemon_.Run({"edit", "dl/edge"});
  EXPECT_EQ(answer.code, 6);
  EXPECT_THAT(answer.err, HasSubstr("(ETAG_MISMATCH)\nnext: your text is kept in "));
  EXPECT_EQ(dialer().spec().kcp().mtu_bytes(), 1350u);
}

TEST_F(EditTest, KeepsKindAndName) {
  for (const char* script : {"sed -i 's/name: edge/name: other/' \"$1\"", "sed -i 's/kind: Dialer/kind: Listener/' \"$1\"",
                             "sed 's/edge/other/' \"$1\" > \"$1.x\"; echo --- >> \"$1\"; cat \"$1.x\" >> \"$1\"; rm \"$1.x\""}) {
    SetEditor(script);
    EXPECT_EQ(daemon_.Run({"edit", "dl/edge"}).code, 2) << script;
  }
  EXPECT_EQ(daemon_.changes, 0);
}

TEST_F(EditTest, SaysWhenTheEditorFails) {
  SetEditor("exit 3");
  const Answer answer = daemon_.Run({"edit", "dl/edge"});
  EXPECT_EQ(answer.code, 8);
  EXPECT_THAT(answer.err, HasSubstr("failed with code 3\n"));
  daemon_.variables["EDITOR"] = "/nonexistent/editor";
  EXPECT_THAT(daemon_.Run({"edit", "dl/edge"}).err, HasSubstr("error: the editor \"/nonexistent/editor\" failed with code 127\n"));
  daemon_.variables["VISUAL"] = "true";  // goes before EDITOR
  EXPECT_EQ(daemon_.Run({"edit", "dl/edge"}).err, "edit cancelled\n");
}

TEST_F(EditTest, SaysWhatIsWrong) {
  SetEditor("touch " + daemon_.folder() + "/opened");
  const std::pair<std::vector<std::string>, int> rows[] = {
      {{"edit"}, 2}, {{"edit", "dl"}, 2}, {{"edit", "dl/a", "dl/b"}, 2}, {{"edit", "ses/a"}, 2}, {{"edit", "dl/nope"}, 3}};
  for (const auto& [words, code] : rows) EXPECT_EQ(daemon_.Run(words).code, code) << words.back();
  EXPECT_FALSE(std::filesystem::exists(daemon_.folder() + "/opened"));
  daemon_.variables["TMPDIR"] = "/nonexistent";
  EXPECT_EQ(daemon_.Run({"edit", "dl/edge"}).code, 8);
}

}  // namespace
}  // namespace culvert::cli
