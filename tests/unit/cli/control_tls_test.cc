// The daemon over TCP: who is let in, and one clear line for everything that can be wrong with certificates and keys.
#include <sys/stat.h>

#include <atomic>
#include <memory>

#include "culvert/v1/daemon.grpc.pb.h"
#include "gmock/gmock.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "tests/testing/certificate_maker.h"
#include "tests/testing/free_port.h"
#include "tests/unit/cli/surroundings.h"

namespace culvert::cli {
namespace {

using ::testing::HasSubstr;
using testing::Certificate;
using testing::MakeCa;
using testing::MakeLeaf;

constexpr int64_t kLongAgo = 1'000'000'000;
constexpr int64_t kADayLater = kLongAgo + 86'400;
constexpr int64_t kFarAhead = 4'000'000'000;

// Answers "version" to who shows a certificate that it trusts.
class TlsDaemon : private v1::DaemonService::Service {
 public:
  TlsDaemon(const Certificate& shows, const Certificate& trusts) {
    grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = trusts.certificate_pem;
    options.pem_key_cert_pairs.push_back({shows.private_key_pem, shows.chain_pem});
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~TlsDaemon() override { server_->Shutdown(std::chrono::system_clock::now()); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int calls() const { return calls_; }

 private:
  grpc::Status GetDaemon(grpc::ServerContext*, const v1::GetDaemonRequest*, v1::GetDaemonResponse* response) override {
    ++calls_;
    response->mutable_daemon()->set_version("0.1.0");
    return grpc::Status::OK;
  }
  int port_ = 0;
  std::atomic<int> calls_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class ControlTls : public ::testing::Test {
 protected:
  ControlTls() {
    Put("me", MakeLeaf(ca_, {"me.example"}));
    (void)around_.home.Write("ca.crt", ca_.certificate_pem);
    (void)around_.home.Write("other-ca.crt", other_ca_.certificate_pem);
  }
  void Put(const std::string& name, const Certificate& certificate) {
    (void)around_.home.Write(name + ".crt", certificate.chain_pem);
    (void)around_.home.Write(name + ".key", certificate.private_key_pem, 0600);
  }
  // version, as a user of these files.
  Answer Ask(const std::string& address, const std::string& who = "me", const std::string& ca = "ca.crt",
             std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"version", "--address", address, "--ca-file", around_.home.File(ca), "--request-timeout", "5s"};
    if (!who.empty()) {
      for (const std::string& word : {std::string("--certificate-file"), around_.home.File(who + ".crt"), std::string("--key-file"),
                                      around_.home.File(who + ".key")}) {
        arguments.push_back(word);
      }
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return around_.Run(arguments);
  }

  const Certificate ca_ = MakeCa("test CA");
  const Certificate other_ca_ = MakeCa("other CA");
  const Certificate server_ = MakeLeaf(ca_, {"127.0.0.1", "edge.example"});
  Surroundings around_;
};

TEST_F(ControlTls, LetsInWhoShowsACertificate) {
  const TlsDaemon daemon(server_, ca_);
  const Answer answer = Ask(daemon.address());
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_THAT(answer.out, HasSubstr("server 0.1.0"));
}

TEST_F(ControlTls, AContextSaysTheSame) {
  const TlsDaemon daemon(server_, ca_);
  ASSERT_EQ(around_.Run({"config", "set-context", "prod", "--address", daemon.address(), "--ca-file", around_.home.File("ca.crt"),
                         "--certificate-file", around_.home.File("me.crt"), "--key-file", around_.home.File("me.key")})
                .code,
            0);
  EXPECT_EQ(around_.Run({"--context", "prod", "version"}).code, 0);
  around_.variables["CULVERTCTL_CONTEXT"] = "prod";
  EXPECT_EQ(around_.Run({"version"}).code, 0);
}

TEST_F(ControlTls, WithoutACertificateItSaysThatOneIsWanted) {
  const TlsDaemon daemon(server_, ca_);
  const Answer answer = Ask(daemon.address(), "");
  EXPECT_EQ(answer.err, "error: no TLS with culvertd at " + daemon.address() +
                            ": it wants a certificate from us\nnext: --certificate-file FILE --key-file FILE\n");
  EXPECT_EQ(answer.code, 4);
}

TEST_F(ControlTls, ACertificateOfAStrangerIsNotAccepted) {
  const TlsDaemon daemon(server_, ca_);
  Put("stranger", MakeLeaf(other_ca_, {"stranger.example"}));
  const Answer answer = Ask(daemon.address(), "stranger");
  EXPECT_EQ(answer.err, "error: no TLS with culvertd at " + daemon.address() + ": it does not accept our certificate " +
                            around_.home.File("stranger.crt") + "\nnext: have it signed by who is in the daemon's --control-trust\n");
  EXPECT_EQ(answer.code, 4);
}

TEST_F(ControlTls, OurOwnCertificateThatExpiredIsNamed) {
  const TlsDaemon daemon(server_, ca_);
  Put("old", MakeLeaf(ca_, {"old.example"}, kLongAgo, kADayLater));
  const Answer answer = Ask(daemon.address(), "old");
  EXPECT_EQ(answer.err, "error: no TLS with culvertd at " + daemon.address() + ": our certificate " + around_.home.File("old.crt") +
                            " expired on 2001-09-10 01:46 UTC\nnext: renew it\n");
  EXPECT_EQ(answer.code, 4);
}

TEST_F(ControlTls, ADaemonThatNobodyVouchesForIsRefused) {
  const TlsDaemon daemon(server_, ca_);
  const Answer answer = Ask(daemon.address(), "me", "other-ca.crt");
  EXPECT_THAT(answer.err, HasSubstr("error: no TLS with culvertd at " + daemon.address() + ": nobody in " +
                                    around_.home.File("other-ca.crt") + " vouches for its certificate ("));
  EXPECT_THAT(answer.err, HasSubstr("next: --ca-file FILE with the certificate of who signed it\n"));
  EXPECT_EQ(answer.code, 4);
  EXPECT_EQ(daemon.calls(), 0);
}

TEST_F(ControlTls, ADaemonWhoseCertificateExpiredIsRefused) {
  const TlsDaemon old(MakeLeaf(ca_, {"127.0.0.1"}, kLongAgo, kADayLater), ca_);
  EXPECT_EQ(Ask(old.address()).err, "error: no TLS with culvertd at " + old.address() +
                                        ": its certificate expired on 2001-09-10 01:46 UTC\nnext: renew the file of its --control-cert\n");
  const TlsDaemon early(MakeLeaf(ca_, {"127.0.0.1"}, kFarAhead, kFarAhead + 86'400), ca_);
  EXPECT_EQ(Ask(early.address()).err, "error: no TLS with culvertd at " + early.address() +
                                          ": its certificate is valid from 2096-10-02 07:06 UTC on\n"
                                          "next: is the clock right, here and there?\n");
  EXPECT_EQ(old.calls() + early.calls(), 0);
}

TEST_F(ControlTls, ADaemonOfAnotherNameIsRefusedUnlessItIsMeant) {
  const TlsDaemon daemon(MakeLeaf(ca_, {"edge.example", "10.0.0.1"}), ca_);
  const Answer answer = Ask(daemon.address());
  EXPECT_EQ(answer.err, "error: no TLS with culvertd at " + daemon.address() +
                            ": its certificate is for edge.example, 10.0.0.1, not for 127.0.0.1\n"
                            "next: if that is the daemon you mean: --tls-server-name edge.example\n");
  EXPECT_EQ(answer.code, 4);
  EXPECT_EQ(daemon.calls(), 0);
  EXPECT_EQ(Ask(daemon.address(), "me", "ca.crt", {"--tls-server-name", "edge.example"}).code, 0);
}

TEST_F(ControlTls, NobodyThereIsUnreachable) {
  const std::string address = "127.0.0.1:" + std::to_string(testing::FreePort());
  const Answer answer = Ask(address);
  EXPECT_EQ(answer.err, "error: cannot reach culvertd at " + address +
                            ": Connection refused\nnext: is culvertd running there, with --control-tcp?\n");
  EXPECT_EQ(answer.code, 5);
}

TEST_F(ControlTls, AKeyThatOthersCanReachIsRefused) {
  const std::string key = around_.home.File("me.key");
  for (const mode_t mode : {0644, 0640, 0604, 0660}) {
    ASSERT_EQ(::chmod(key.c_str(), mode), 0);
    const Answer answer = Ask("127.0.0.1:1");
    EXPECT_THAT(answer.err, HasSubstr("error: --key-file: " + key + ": others may "));
    EXPECT_THAT(answer.err, HasSubstr("next: chmod 600 " + key));
    EXPECT_EQ(answer.code, 2);
  }
}

TEST_F(ControlTls, FilesThatAreWrongAreNamedAndNotShown) {
  Put("other", MakeLeaf(ca_, {"other.example"}));
  (void)around_.home.Write("text.crt", "a text of its own");
  (void)around_.home.Write("text.key", "a text of its own", 0600);
  const auto with = [&](const std::string& certificate, const std::string& key, const std::string& ca) {
    return around_.Run({"version", "--address", "127.0.0.1:1", "--ca-file", around_.home.File(ca), "--certificate-file",
                        around_.home.File(certificate), "--key-file", around_.home.File(key)});
  };
  const std::tuple<std::string, std::string, std::string, std::string> rows[] = {
      {"gone.crt", "me.key", "ca.crt", "--certificate-file: " + around_.home.File("gone.crt") + ": No such file or directory"},
      {"me.crt", "gone.key", "ca.crt", "--key-file: " + around_.home.File("gone.key") + ": No such file or directory"},
      {"me.crt", "me.key", "gone", "--ca-file: " + around_.home.File("gone") + ": No such file or directory"},
      {"text.crt", "me.key", "ca.crt", "--certificate-file: " + around_.home.File("text.crt") + ": holds no certificate in PEM"},
      {"me.crt", "text.key", "ca.crt", "--key-file: " + around_.home.File("text.key") + ": holds no private key in PEM"},
      {"me.crt", "me.key", "text.crt", "--ca-file: " + around_.home.File("text.crt") + ": holds no certificate in PEM"},
      {"me.crt", "other.key", "ca.crt",
       "--key-file: " + around_.home.File("other.key") + ": is not the key of " + around_.home.File("me.crt")},
      {"me.crt", "me.key", ".", "--ca-file: " + around_.home.File(".") + ": is no file"},
  };
  for (const auto& [certificate, key, ca, fault] : rows) {
    const Answer answer = with(certificate, key, ca);
    EXPECT_THAT(answer.err, ::testing::StartsWith("error: " + fault + "\n"));
    EXPECT_THAT(answer.err, ::testing::Not(HasSubstr("of its own")));
    EXPECT_EQ(answer.code, 2) << fault;
  }
}

TEST_F(ControlTls, WhatSpeaksNoTlsIsTold) {
  // gRPC without TLS: the door of a program that is no culvertd, or the wrong port.
  v1::DaemonService::Service service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  const Answer answer = Ask("127.0.0.1:" + std::to_string(port));
  EXPECT_THAT(answer.err, HasSubstr("what answers there does not speak TLS\nnext: is that the port of --control-tcp?"));
  EXPECT_EQ(answer.code, 4);
  server->Shutdown(std::chrono::system_clock::now());
}

}  // namespace
}  // namespace culvert::cli
