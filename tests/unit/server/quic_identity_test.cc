// What all QUIC listeners share: it outlives the daemon, no damage goes unnoticed, and the pin stays.
#include "server/quic_identity.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/base/log.h"
#include "tests/testing/temp_dir.h"

namespace culvert::server {
namespace {

using culvert::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kNow = 1'800'000'000;
constexpr int64_t kDay = 86400;
constexpr const char* kFiles[] = {QuicIdentity::kCertificateFile, QuicIdentity::kKeysFile};

class QuicIdentityTest : public ::testing::Test {
 protected:
  std::unique_ptr<QuicIdentity> Start(int64_t now = kNow) {
    auto state = StateDir::Open(path_);
    EXPECT_TRUE(state.ok()) << state.status();
    auto identity = QuicIdentity::Create(*std::move(state), "", random_, now);
    EXPECT_TRUE(identity.ok()) << identity.status();
    return *std::move(identity);
  }
  static tls::SpkiPin PinOf(const QuicIdentity& identity) { return identity.shared()->server_tls->own_certificate()->spki; }
  static std::string KeysOf(const QuicIdentity& identity) {
    std::string saved(quic::EndpointKeys::kFileSize, '\0');
    identity.shared()->keys->Save({reinterpret_cast<uint8_t*>(saved.data()), saved.size()});
    return saved;
  }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  std::string Content(const std::string& name) const {
    std::ifstream file(File(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void Put(const std::string& name, const std::string& content) const {
    std::ofstream(File(name), std::ios::binary | std::ios::trunc) << content;
  }

  TempDir folder_;
  const std::string path_ = folder_.File("state");
  SeededRandom random_{1};
};

TEST_F(QuicIdentityTest, ShowsV2raysNameForTenYears) {
  const auto identity = Start();
  const tls::CertificateInfo& own = *identity->shared()->server_tls->own_certificate();
  EXPECT_EQ(own.subject, "quic.internal.v2ray.com");
  EXPECT_THAT(own.names, ElementsAre("quic.internal.v2ray.com"));
  EXPECT_LT(own.not_before_unix_seconds, kNow);
  EXPECT_GE(own.not_after_unix_seconds, kNow + 3650 * kDay);
  EXPECT_EQ(identity->shared()->why_not_kept, "");
}

TEST_F(QuicIdentityTest, OutlivesTheDaemon) {
  auto first = Start();
  const tls::SpkiPin pin = PinOf(*first);
  const std::string keys = KeysOf(*first);
  const std::string certificate = Content(QuicIdentity::kCertificateFile);
  first.reset();
  const auto second = Start(kNow + 60);
  EXPECT_EQ(PinOf(*second), pin);
  EXPECT_EQ(KeysOf(*second), keys);
  EXPECT_EQ(Content(QuicIdentity::kCertificateFile), certificate);
  for (const char* name : kFiles) {
    struct stat info {};
    ASSERT_EQ(stat(File(name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600u) << name;
  }
}

TEST_F(QuicIdentityTest, IsRenewedLongBeforeItExpiresUnderTheSamePin) {
  auto identity = Start();
  const tls::SpkiPin pin = PinOf(*identity);
  const std::shared_ptr<const QuicShared> before = identity->shared();
  // Within the first day nothing is due.
  identity->Renew(kNow + kDay - 1);
  EXPECT_EQ(identity->shared(), before);
  const int64_t late = before->server_tls->own_certificate()->not_after_unix_seconds - 300 * kDay;
  identity->Renew(late);
  EXPECT_NE(identity->shared()->server_tls, before->server_tls);
  EXPECT_EQ(PinOf(*identity), pin);
  EXPECT_GT(identity->shared()->server_tls->own_certificate()->not_after_unix_seconds, late + 3650 * kDay);
  identity.reset();
  // The renewed one was saved; and one that expired while nothing ran is renewed at the start.
  EXPECT_EQ(PinOf(*(identity = Start(late))), pin);
  identity.reset();
  identity = Start(late + 20 * 365 * kDay);
  EXPECT_EQ(PinOf(*identity), pin);
  EXPECT_GT(identity->shared()->server_tls->own_certificate()->not_after_unix_seconds, late + 20 * 365 * kDay);
}

TEST_F(QuicIdentityTest, TurnedOverTokenKeysAreSaved) {
  auto identity = Start();
  const std::string before = KeysOf(*identity);
  identity->Renew(kNow + kDay);
  const std::string after = KeysOf(*identity);
  EXPECT_NE(after, before);
  identity.reset();
  EXPECT_EQ(KeysOf(*Start(kNow + kDay + 1)), after);
}

TEST_F(QuicIdentityTest, EveryDamageIsFoundAndTheFileMadeAnew) {
  Start().reset();
  for (const char* name : kFiles) {
    const std::string good = Content(name);
    std::vector<std::string> damaged = {"", "x", good + "x", good.substr(0, good.size() - 1), good.substr(0, good.size() / 2),
                                        good.substr(1), std::string(good.size(), '\0')};
    for (size_t i = 0; i < good.size(); i += 7) {
      damaged.push_back(good);
      damaged.back()[i] = static_cast<char>(damaged.back()[i] ^ (1 << (i % 8)));
    }
    for (size_t i = 0; i < damaged.size(); ++i) {
      Put(name, damaged[i]);
      const auto identity = Start();
      EXPECT_NE(Content(name), damaged[i]) << name << " " << i;
      EXPECT_EQ(Content(name + std::string(".damaged")), damaged[i]) << name << " " << i;
      EXPECT_EQ(identity->shared()->why_not_kept, "") << name << " " << i;
    }
    Put(name, good);
    Start();
    EXPECT_EQ(Content(name), good) << "what is sound is taken as it is";
  }
}

TEST_F(QuicIdentityTest, LinksAreSetAsideAndNotFollowed) {
  Start().reset();
  for (const char* name : kFiles) {
    const std::string elsewhere = folder_.File("elsewhere");
    std::filesystem::rename(File(name), elsewhere);
    std::filesystem::create_symlink(elsewhere, File(name));
    const auto identity = Start();
    EXPECT_FALSE(std::filesystem::is_symlink(File(name)));
    std::ifstream followed(elsewhere, std::ios::binary);
    EXPECT_NE(Content(name), std::string(std::istreambuf_iterator<char>(followed), {}));
  }
}

TEST_F(QuicIdentityTest, AnotherDaemonsKeyIsTakenAsAWhole) {
  // A valid file from elsewhere is somebody's decision: a restored backup.
  Start().reset();
  const std::string first = Content(QuicIdentity::kCertificateFile);
  std::filesystem::remove(File(QuicIdentity::kCertificateFile));
  Start().reset();
  const std::string second = Content(QuicIdentity::kCertificateFile);
  EXPECT_NE(first, second);
  Put(QuicIdentity::kCertificateFile, first);
  Start().reset();
  EXPECT_EQ(Content(QuicIdentity::kCertificateFile), first);
}

TEST_F(QuicIdentityTest, WhatCannotBeWrittenIsInMemoryAndTriedAgain) {
  Start().reset();
  std::filesystem::remove(File(QuicIdentity::kCertificateFile));
  const std::string obstacle = File(QuicIdentity::kCertificateFile) + ".new";
  std::filesystem::create_directory(obstacle);
  const auto identity = Start();
  EXPECT_THAT(identity->shared()->why_not_kept, HasSubstr("quic-certificate.pem"));
  EXPECT_FALSE(std::filesystem::exists(File(QuicIdentity::kCertificateFile)));
  const tls::SpkiPin pin = PinOf(*identity);
  std::filesystem::remove(obstacle);
  identity->Renew(kNow + 3600);
  EXPECT_EQ(identity->shared()->why_not_kept, "");
  EXPECT_EQ(PinOf(*identity), pin);
  EXPECT_TRUE(std::filesystem::exists(File(QuicIdentity::kCertificateFile)));
}

TEST_F(QuicIdentityTest, WithoutAFolderItIsInMemory) {
  const auto first = QuicIdentity::Create(nullptr, "--state-dir is none", random_, kNow);
  const auto second = QuicIdentity::Create(nullptr, "--state-dir is none", random_, kNow);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ((*first)->shared()->why_not_kept, "--state-dir is none");
  EXPECT_NE(PinOf(**first), PinOf(**second));
  EXPECT_NE(KeysOf(**first), KeysOf(**second));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

class Lines final : public LogSink {
 public:
  Lines() { SetLogSink(this); }
  ~Lines() override { SetLogSink(nullptr); }
  void Write(LogLevel, std::string_view, std::string_view message, std::initializer_list<LogField> fields) override {
    text += std::string(message);
    for (const LogField& field : fields) text += " " + std::string(field.key) + "=" + field.value;
  }
  std::string text;
};

TEST_F(QuicIdentityTest, DamageIsReportedWithoutTheKey) {
  Start().reset();
  const std::string good = Content(QuicIdentity::kCertificateFile);
  std::string damaged = good;
  damaged[good.size() / 2] ^= 1;
  Put(QuicIdentity::kCertificateFile, damaged);
  const Lines lines;
  const auto identity = Start();
  EXPECT_THAT(lines.text, HasSubstr("quic-certificate.pem"));
  EXPECT_THAT(lines.text, HasSubstr("STATE_DAMAGED"));
  const size_t key = good.find("KEY-----\n") + 9;
  EXPECT_THAT(lines.text, Not(HasSubstr(good.substr(key + 10, 20))));
}

}  // namespace
}  // namespace culvert::server
