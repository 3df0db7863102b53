// Files of --control-tcp that a daemon does not start with.
#include "server/access/control_credentials.h"

#include <gmock/gmock.h>

#include "tests/testing/certificate_maker.h"
#include "tests/testing/temp_dir.h"

namespace culvert::server {
namespace {

using culvert::testing::Certificate;
using culvert::testing::MakeCa;
using culvert::testing::MakeLeaf;
using culvert::testing::TempDir;
using ::testing::HasSubstr;
using ::testing::Not;

class ControlCredentials : public ::testing::Test {
 protected:
  ControlCredentials() {
    files_.certificate_file = folder_.Write("server.crt", server_.chain_pem);
    files_.private_key_file = folder_.Write("server.key", server_.private_key_pem, 0600);
    files_.trust_file = folder_.Write("ca.crt", ca_.certificate_pem);
  }
  std::string Fault() const { return std::string(JudgeControlCredentials(files_).message()); }

  const TempDir folder_;
  const Certificate ca_ = MakeCa("test CA");
  const Certificate server_ = MakeLeaf(ca_, {"127.0.0.1"});
  Options::ControlTcp files_;
};

TEST_F(ControlCredentials, WhatFitsTogetherIsTaken) { EXPECT_TRUE(JudgeControlCredentials(files_).ok()) << Fault(); }

TEST_F(ControlCredentials, FilesThatAreNotThereAreNamed) {
  files_.certificate_file = folder_.File("nothing.crt");
  EXPECT_EQ(Fault(), "--control-cert: " + files_.certificate_file + ": No such file or directory");
  files_.certificate_file = folder_.File("server.crt");
  files_.private_key_file = folder_.path();
  EXPECT_THAT(Fault(), HasSubstr("--control-key: " + folder_.path()));
  files_.private_key_file = folder_.File("server.key");
  files_.trust_file = folder_.Write("empty", "");
  EXPECT_EQ(Fault(), "--control-trust: " + files_.trust_file + ": the file is empty");
}

TEST_F(ControlCredentials, AKeyOfAnotherCertificateIsNamed) {
  const Certificate other = MakeLeaf(ca_, {"127.0.0.1"});
  files_.private_key_file = folder_.Write("other.key", other.private_key_pem, 0600);
  EXPECT_THAT(Fault(), HasSubstr("--control-key: " + files_.private_key_file + ": "));
}

TEST_F(ControlCredentials, WhatIsNoPemIsNamedAndNotShown) {
  files_.trust_file = folder_.Write("trust", "a text of its own");
  EXPECT_THAT(Fault(), HasSubstr("--control-trust: " + files_.trust_file + ": "));
  EXPECT_THAT(Fault(), Not(HasSubstr("of its own")));
  files_.certificate_file = files_.trust_file;
  EXPECT_THAT(Fault(), HasSubstr("--control-cert: " + files_.trust_file + ": "));
}

}  // namespace
}  // namespace culvert::server
