// Files below the folders of --credentials-dir, and the many ways to spell one that is not.
#include "server/credential_folders.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "server/error_builder.h"
#include "server/seed_file.h"
#include "server/tls_reload.h"
#include "tests/testing/temp_dir.h"
#include "tests/unit/server/tls_objects.h"

namespace culvert::server {
namespace {

namespace fs = std::filesystem;
using culvert::testing::Certificate;
using culvert::testing::MakeCa;
using culvert::testing::MakeLeaf;
using culvert::testing::TempDir;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr size_t kMostBytes = 4096;

TEST(CredentialFolders, OnlyThePlainSpellingMayBeNamed) {
  const CredentialFolders folders({"/creds", "/more/creds/"});
  for (const char* path : {"/creds/a", "/creds/a/b", "/creds/..data/a", "/creds/.hidden", "/creds/...", "/more/creds/a"}) {
    EXPECT_EQ(folders.FaultOf(path), "") << path;
  }
  for (const char* path : {"/creds", "/creds/", "/creds/a/", "/creds/./a", "/creds//a", "//creds/a", "/creds/../creds/a", "/creds/a/..", "creds/a",
                           "/credsa", "/Creds/a", "/more/a", "/x/../creds/a", "", "/", "/etc/passwd"}) {
    EXPECT_THAT(folders.FaultOf(path), HasSubstr("below /creds or /more/creds without")) << path;
    EXPECT_THAT(folders.FaultOf(path), HasSubstr("an admin may name other files")) << path;
  }
  EXPECT_NE(folders.FaultOf(std::string_view("/creds/a\0b", 10)), "");
  EXPECT_THAT(CredentialFolders().FaultOf("/creds/a"), HasSubstr("no --credentials-dir"));
}

TEST(CredentialFolders, EverySpellingOfWhatLiesBelowIsKnown) {
  const CredentialFolders folders({"/creds"});
  const auto rest = [&folders](const std::string& path) {
    const auto place = folders.PlaceOf(path);
    return place ? place->rest : "none";
  };
  EXPECT_EQ(rest("/creds/a"), "a");
  EXPECT_EQ(rest("//creds/.//a/"), "a");
  EXPECT_EQ(rest("/creds/b/../a"), "b/../a");
  EXPECT_EQ(rest("/creds/../a"), "none");
  EXPECT_EQ(rest("/creds/b/../../creds/a"), "none");
  EXPECT_EQ(rest("/creds"), "none");
  EXPECT_EQ(rest("/creds/b/.."), "none");
  EXPECT_EQ(rest("/credsa"), "none");
  EXPECT_EQ(rest("creds/a"), "none");
}

// A folder of credentials with every kind of link and of file that is none in it, and beside it one with a secret.
class CredentialFilesTest : public ::testing::Test {
 protected:
  CredentialFilesTest() {
    fs::create_directories(creds_ + "/sub/deep");
    fs::create_directories(home_.path() + "/creds-evil");
    fs::create_directory(outside_);
    for (const std::string& file : {creds_ + "/good", creds_ + "/sub/good", creds_ + "/sub/deep/good"}) Write(file, kGood);
    for (const std::string& file : {outside_ + "/secret", outside_ + "/good", home_.path() + "/secret", home_.path() + "/good",
                                    home_.path() + "/creds-evil/secret"}) {
      Write(file, kSecret);
    }
    const std::pair<std::string, std::string> links[] = {
        {"abs", outside_ + "/secret"},         {"rel", "../outside/secret"},      {"abs-dir", outside_},
        {"rel-dir", "../outside"},             {"up", ".."},                      {"twice", "rel"},
        {"thrice", "twice"},                   {"dir-twice", "rel-dir"},          {"root", "/"},
        {"proc", "/proc/self/root" + outside_}, {"cwd", "/proc/self/cwd"},        {"away-and-back", "../creds/good"},
        {"abs-back", creds_ + "/good"},        {"loop", "loop"},                  {"dangling", "nothing"},
        {"far", "../../../../../../../../../.." + outside_ + "/secret"},          {"inside", "sub/good"},
        {"deep", "sub/deep"},                  {"dots", "sub/../sub/./good"}};
    for (const auto& [name, target] : links) fs::create_symlink(target, creds_ + "/" + name);
    fs::create_symlink("../../outside/secret", creds_ + "/sub/up-two");
    fs::create_symlink("../good", creds_ + "/sub/up-one");
    fs::create_symlink(creds_, home_.path() + "/alias");
  }
  static void Write(const std::string& file, const char* text) { std::ofstream(file) << text; }

  // As a caller who is no admin has a file read.
  absl::StatusOr<std::string> ReadAsOperator(const std::string& path) const {
    if (std::string fault = folders_.FaultOf(path); !fault.empty()) return InvalidField("f", fault);
    return Read(path);
  }
  absl::StatusOr<std::string> Read(const std::string& path) const { return ReadCredentialFile(path, "f", kMostBytes, folders_); }
  std::string FaultOf(const std::string& name) const {
    const auto read = ReadAsOperator(creds_ + "/" + name);
    EXPECT_FALSE(read.ok()) << name;
    EXPECT_THAT(std::string(read.status().message()), Not(HasSubstr(kSecret)));
    return std::string(read.status().message());
  }

  static constexpr const char* kGood = "for everybody";
  static constexpr const char* kSecret = "canary-of-the-outside";
  const TempDir home_;
  const std::string creds_ = home_.path() + "/creds";
  const std::string outside_ = home_.path() + "/outside";
  const CredentialFolders folders_{{creds_}};
};

TEST_F(CredentialFilesTest, WhatLiesBelowIsReadAlsoThroughLinks) {
  for (const char* name : {"good", "sub/good", "inside", "deep/good", "dots", "sub/up-one"}) {
    const auto read = ReadAsOperator(creds_ + "/" + name);
    ASSERT_TRUE(read.ok()) << name << " " << read.status();
    EXPECT_EQ(*read, kGood) << name;
  }
}

TEST_F(CredentialFilesTest, LinksThatLeadOutAreRefusedWhateverTheyLeadTo) {
  for (const char* name : {"abs", "rel", "twice", "thrice", "abs-dir/secret", "rel-dir/secret", "up/outside/secret", "dir-twice/secret",
                           "proc/secret", "far", "away-and-back", "abs-back", "sub/up-two", "root/etc/passwd", "cwd/x"}) {
    EXPECT_THAT(FaultOf(name), HasSubstr("it leads out of " + creds_)) << name;
  }
  // Of what a link leads to nothing can be learned, so not whether it is there either.
  fs::remove(outside_ + "/secret");
  EXPECT_THAT(FaultOf("rel"), HasSubstr("it leads out of"));
  EXPECT_THAT(FaultOf("loop"), HasSubstr("symbolic links"));
  EXPECT_THAT(FaultOf("dangling"), HasSubstr("No such file"));
}

TEST_F(CredentialFilesTest, WhatIsNoRegularFileIsRefusedWithoutWaiting) {
  ASSERT_EQ(mkfifo((creds_ + "/fifo").c_str(), 0600), 0);
  EXPECT_THAT(FaultOf("fifo"), HasSubstr("not a regular file"));
  EXPECT_THAT(FaultOf("sub"), HasSubstr("not a regular file"));
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = creds_ + "/s";
  ASSERT_LT(path.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  ASSERT_EQ(bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_NE(FaultOf("s"), "");
  if (mknod((creds_ + "/device").c_str(), S_IFCHR | 0600, 0x103) == 0) {  // /dev/null, for who may make one
    EXPECT_NE(FaultOf("device"), "");
  }
  Write(creds_ + "/long", std::string(kMostBytes + 1, 'x').c_str());
  EXPECT_THAT(FaultOf("long"), HasSubstr("is longer than"));
}

// Everything in place of a name that might pass a check and mean something else to the kernel.
std::vector<std::string> Parts() {
  return {"..",      ".",       "",     "...",      ". .",     ".. ",  " ..",  "..;", "..\\",  "%2e%2e", "..%2f",
          "%00",     "..\n",    "..\t", "~",        "*",       "sub",  "SUB",  "up",  "root",  "proc",   "cwd",
          "abs-dir", "rel-dir", "deep", "outside",  "creds",   "twice",
          std::string("..\0", 3),
          "\xef\xbc\x8e\xef\xbc\x8e",  // FULLWIDTH FULL STOP, twice
          "\xe2\x80\xa5",              // TWO DOT LEADER
          "\xc0\xae\xc0\xae"};          // overlong UTF-8 of two dots
}

TEST_F(CredentialFilesTest, NoSpellingLeadsOut) {
  const std::string name = fs::path(creds_).filename();
  const std::string self = "/proc/self/root";
  std::vector<std::string> heads = {creds_, creds_ + "/", "/" + creds_, "//" + creds_, "/." + creds_, self + creds_, home_.path() + "/alias",
                                    home_.path() + "/creds-evil", home_.path() + "/./creds", home_.path() + "/x/../creds", home_.path() + "/CREDS",
                                    outside_ + "/../creds", "/proc/self/cwd", "/dev/fd/0", "", ".", "..", name, "file://" + creds_, "~"};
  std::set<std::string> spellings;
  for (const std::string& head : heads) {
    for (const char* last : {"secret", "good", "rel", "abs", "outside/secret", "secret/", "secret/.", "etc/passwd"}) {
      spellings.insert(head + "/" + last);
      for (const std::string& one : Parts()) {
        spellings.insert(head + "/" + one + "/" + last);
        if (head == creds_) {
          for (const std::string& two : Parts()) spellings.insert(head + "/" + one + "/" + two + "/" + last);
        }
      }
    }
  }
  std::string deep = creds_;
  for (int i = 0; i < 200; ++i) spellings.insert((deep += "/sub/..") + "/rel");
  for (int i = 0; i < 200; ++i) spellings.insert((deep += "/..") + outside_ + "/secret");
  spellings.insert(creds_ + "/" + std::string(300, 'a') + "/../rel");

  size_t openly = 0;  // so many would tell it, were they opened as any other file
  size_t escapes = 0;
  for (const std::string& path : spellings) {
    const auto as_operator = ReadAsOperator(path);
    const std::string told = as_operator.ok() ? *as_operator : std::string(as_operator.status().message());
    if (told.find(kSecret) != std::string::npos || told.find("root:") != std::string::npos) {
      ++escapes;
      ADD_FAILURE() << path;
    }
    if (as_operator.ok()) {
      EXPECT_EQ(told, kGood) << path;
    }
    const auto open = ReadCredentialFile(path, "f", kMostBytes);
    if (open.ok() && *open == kSecret) ++openly;
    // What lies below by any spelling does not lead out, for an admin and a reload neither.
    if (folders_.PlaceOf(path)) {
      const auto read = Read(path);
      EXPECT_TRUE(!read.ok() || *read == kGood) << path;
    }
  }
  EXPECT_EQ(escapes, 0u);
  EXPECT_GE(spellings.size(), 500u);
  EXPECT_GE(openly, 300u) << "these spellings prove nothing";
}

// As Kubernetes mounts Secrets: tls.crt is a link to ..data/tls.crt, ..data one to a folder of its own for every version.
class MountedSecret {
 public:
  explicit MountedSecret(std::string folder) : folder_(std::move(folder)) {}
  void Put(const std::string& version, const Certificate& certificate) {
    fs::create_directory(folder_ + "/" + version);
    std::ofstream(folder_ + "/" + version + "/tls.crt") << certificate.chain_pem;
    std::ofstream(folder_ + "/" + version + "/tls.key") << certificate.private_key_pem;
    Point(version);
    for (const char* file : {"tls.crt", "tls.key"}) {
      if (!fs::is_symlink(folder_ + "/" + file)) fs::create_symlink(std::string("..data/") + file, folder_ + "/" + file);
    }
  }
  void Point(const std::string& target) {
    fs::create_symlink(target, folder_ + "/..data_tmp");
    fs::rename(folder_ + "/..data_tmp", folder_ + "/..data");
  }

 private:
  const std::string folder_;
};

TEST_F(CredentialFilesTest, ASecretOfKubernetesIsReadAndReadAgainAndNeverFollowedOut) {
  const Certificate ca = MakeCa("test CA");
  const Certificate first = MakeLeaf(ca, {"far.example"}), second = MakeLeaf(ca, {"far.example"}), third = MakeLeaf(ca, {"far.example"});
  MountedSecret secret(creds_);
  secret.Put("..2026_01", first);
  const ReadFile read = [this](const std::string& path, const std::string&, size_t max_bytes) {
    return ReadCredentialFile(path, "f", max_bytes, folders_);
  };
  const KeyedHash hash{{1, 2}};
  const v1::Object object = TlsListener("l", "certificate_file: '" + creds_ + "/tls.crt' private_key_file: '" + creds_ + "/tls.key'");
  const TlsUse use = TlsUseOf(object, "spec.tls");
  const auto files = ReadTlsFiles(*TlsOf(object), use, read, hash);
  ASSERT_TRUE(files.ok()) << files.status();
  auto entry = std::make_shared<Entry>();
  entry->object = object;
  entry->tls = MakeTlsContext(*TlsOf(object), use, *files).context;
  entry->tls_fingerprint = files->fingerprint;
  ObjectTable table;
  table.Put(entry);
  TlsReload reload;
  EXPECT_THAT(reload.Look(table, read, hash), IsEmpty());

  secret.Put("..2026_02", second);
  const auto renewed = reload.Look(table, read, hash);
  ASSERT_THAT(renewed, SizeIs(1));
  EXPECT_EQ(tls::FormatSpkiPin(renewed[0]->tls->own_certificate()->spki), second.pin);
  table.Put(renewed[0]);

  // Whoever can write there makes the daemon read nothing else by it, a valid certificate neither.
  std::ofstream(outside_ + "/tls.crt") << third.chain_pem;
  std::ofstream(outside_ + "/tls.key") << third.private_key_pem;
  secret.Point("../outside");
  EXPECT_THAT(reload.Look(table, read, hash), IsEmpty());
  EXPECT_THAT(reload.Look(table, read, hash), IsEmpty());
  EXPECT_THAT(reload.FaultOf(*renewed[0]), HasSubstr("it leads out of " + creds_));
}

}  // namespace
}  // namespace culvert::server
