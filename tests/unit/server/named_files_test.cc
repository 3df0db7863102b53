// Files that requests name: an admin may name any, others those below the folders of --credentials-dir (credential_folders.h).
#include <gmock/gmock.h>

#include <functional>
#include <set>

#include "server/message_walk.h"
#include "server/seed_file.h"
#include "tests/testing/temp_dir.h"
#include "tests/unit/server/control_fixture.h"

namespace culvert::server {
namespace {

using culvert::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

std::string PolicyOf(const std::string& role) {
  return "rules: [{role: " + role + ", principals: ['uid:" + std::to_string(UserId()) + "']}]";
}

TEST(NewlyNamedFiles, KnowsEveryFieldThatNamesAFile) {
  std::set<std::string> seen;
  std::set<const google::protobuf::Descriptor*> done;
  const std::function<void(const google::protobuf::Descriptor&)> walk = [&](const google::protobuf::Descriptor& type) {
    if (!done.insert(&type).second) return;
    for (int i = 0; i < type.field_count(); ++i) {
      const google::protobuf::FieldDescriptor& field = *type.field(i);
      const bool is_file = RulesOf(field).format() == v1::FieldRules::FORMAT_FILE;
      const bool is_called_so = field.name().find("file") != std::string::npos && field.name() != "profile";
      EXPECT_EQ(is_file, is_called_so && field.cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING) << field.full_name();
      if (is_file) seen.insert(field.name());
      if (field.message_type() != nullptr) walk(*field.message_type());
    }
  };
  walk(*v1::Object::descriptor());
  EXPECT_THAT(seen, ElementsAre("certificate_file", "key_file", "private_key_file", "seed_file", "trust_file", "users_file"));
}

TEST(NewlyNamedFiles, WhatStaysInItsFieldIsNotNamedAgain) {
  const v1::Object before = ParseObject(
      "dialer { spec { kcp { seed_file: '/s' } tls { certificate_file: '/c' private_key_file: '/k' } quic { outer { key_file: '/o' } } } }");
  const auto named = [&before](const std::string& text) {
    std::vector<std::string> found;
    for (const NamedFile& one : NewlyNamedFiles(&before.dialer(), ParseObject(text).dialer(), "")) found.push_back(one.path + "=" + one.file);
    return found;
  };
  EXPECT_THAT(named("dialer { spec { targets: 'a:1' kcp { seed_file: '/s' mtu_bytes: 900 } tls { certificate_file: '/c' } } }"), IsEmpty());
  EXPECT_THAT(named("dialer { spec { kcp { seed_file: '/c' } tls { certificate_file: '/c' private_key_file: '/c' trust_file: '/k' } } }"),
              UnorderedElementsAre("spec.kcp.seed_file=/c", "spec.tls.private_key_file=/c", "spec.tls.trust_file=/k"));
  EXPECT_THAT(named("dialer { spec { quic { outer { key_file: '/s' } } } }"), ElementsAre("spec.quic.outer.key_file=/s"));
  EXPECT_EQ(NewlyNamedFiles(nullptr, before.dialer(), "").size(), 4u);
}

class NamedFilesTest : public ControlFixture {
 protected:
  explicit NamedFilesTest(const std::string& role = "OPERATOR", bool has_folder = true)
      : NamedFilesTest(role, has_folder, std::make_shared<TempDir>()) {}
  NamedFilesTest(const std::string& role, bool has_folder, std::shared_ptr<TempDir> home)
      : ControlFixture(PolicyOf(role),
                       [home, has_folder](SupervisorOptions& options) {
                         if (has_folder) options.credential_folders = CredentialFolders({home->File("creds")});
                         const CredentialFolders folders = options.credential_folders;
                         options.read_seed_file = [folders](const std::string& path, const std::string& field) {
                           return ReadSeedFile(path, field, folders);
                         };
                         options.read_file = [folders](const std::string& path, const std::string& field, size_t max_bytes) {
                           return ReadCredentialFile(path, field, max_bytes, folders);
                         };
                       }),
        home_(std::move(home)) {
    std::filesystem::create_directory(creds_);
    home_->Write("outside", "the outside's seed, long enough", 0600);
    home_->Write("creds/seed", "the inside's seed, long enough", 0600);
    home_->Write("creds/users", "alice:wonderland\n", 0600);
    std::filesystem::create_symlink("../outside", creds_ + "/link");
  }
  std::string Outside() const { return home_->File("outside"); }
  std::string Inside() const { return creds_ + "/seed"; }

  static v1::Object Listener(const std::string& name, const std::string& seed_file) {
    return ParseObject("listener { metadata { name: '" + name + "' } spec { transport: TRANSPORT_KCP bind: '127.0.0.1:0' kcp { seed_file: '" +
                       seed_file + "' } } }");
  }
  grpc::Status CreateListener(const std::string& name, const std::string& seed_file) {
    v1::CreateListenerResponse response;
    return Create(Listener(name, seed_file), &response);
  }
  grpc::Status Update(const v1::Object& object, const std::vector<std::string>& mask = {}, bool allow_missing = false) {
    v1::UpdateListenerRequest request;
    v1::UpdateListenerResponse response;
    *request.mutable_listener() = object.listener();
    for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
    request.set_allow_missing(allow_missing);
    return Call<v1::ListenerService>(&v1::ListenerService::Stub::UpdateListener, request, &response);
  }
  grpc::Status Apply(const v1::Object& object, bool validate_only = false) {
    v1::ApplyRequest request;
    v1::ApplyResponse response;
    *request.add_objects() = object;
    request.set_validate_only(validate_only);
    return Call<v1::ConfigService>(&v1::ConfigService::Stub::Apply, request, &response);
  }
  grpc::Status Probe(const std::string& seed_file) {
    v1::ProbeDialerRequest request;
    request.mutable_spec()->set_transport(v1::TRANSPORT_KCP);
    request.mutable_spec()->add_targets("127.0.0.1:1");
    request.mutable_spec()->mutable_kcp()->set_seed_file(seed_file);
    grpc::ClientContext context;
    const auto stub = v1::DialerService::NewStub(channel_);
    const auto reader = stub->ProbeDialer(&context, request);
    v1::ProbeDialerResponse step;
    while (reader->Read(&step)) {
    }
    return reader->Finish();
  }
  // What must not have been read is refused by its spelling, at `field`.
  void ExpectRefused(const grpc::Status& status, const std::string& field) {
    EXPECT_EQ(status.error_code(), grpc::INVALID_ARGUMENT) << status.error_message();
    EXPECT_EQ(ReasonIn(status), "INVALID_FIELD");
    EXPECT_EQ(InfoOf(status).metadata().at("field"), field);
    EXPECT_THAT(status.error_message(), HasSubstr("admin"));
    EXPECT_THAT(status.error_message(), Not(HasSubstr("the outside's")));
  }
  void BecomeA(const std::string& role) {
    SetPolicy(PolicyOf(role));
    v1::Role wanted = v1::ROLE_UNSPECIFIED;
    ASSERT_TRUE(v1::Role_Parse("ROLE_" + role, &wanted));
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    v1::WhoAmIResponse who;
    do {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up);
      who.Clear();
      static_cast<void>(Call<v1::AccessService>(&v1::AccessService::Stub::WhoAmI, v1::WhoAmIRequest(), &who));
    } while (who.role() != wanted);
  }

  const std::shared_ptr<TempDir> home_;
  const std::string creds_ = home_->File("creds");
};

TEST_F(NamedFilesTest, AnOperatorNamesFilesBelowTheFolderInEveryMethod) {
  EXPECT_TRUE(CreateListener("a", Inside()).ok());
  EXPECT_TRUE(Update(Listener("b", Inside()), {}, /*allow_missing=*/true).ok());
  EXPECT_TRUE(Apply(Listener("c", Inside())).ok());
  EXPECT_TRUE(Probe(Inside()).ok());
  const v1::Object proxy = ParseObject("listener { metadata { name: 'p' } spec { transport: TRANSPORT_TCP bind: '127.0.0.1:0' protocol: "
                                       "LISTENER_PROTOCOL_SOCKS5 users_file: '" + creds_ + "/users' } }");
  EXPECT_TRUE(Apply(proxy).ok());
}

TEST_F(NamedFilesTest, AnOperatorNamesNoOtherFileInAnyMethod) {
  for (const std::string& path : {Outside(), creds_ + "/../outside", std::string("/etc/passwd"), home_->File("nothing"), creds_ + "/./seed"}) {
    ExpectRefused(CreateListener("a", path), "spec.kcp.seed_file");
    ExpectRefused(Update(Listener("a", path), {}, /*allow_missing=*/true), "spec.kcp.seed_file");
    ExpectRefused(Apply(Listener("a", path)), "objects[0].spec.kcp.seed_file");
    ExpectRefused(Apply(Listener("a", path), /*validate_only=*/true), "objects[0].spec.kcp.seed_file");
    ExpectRefused(Probe(path), "spec.kcp.seed_file");
  }
  for (const std::string field : {"certificate_file", "private_key_file", "trust_file"}) {
    const auto file = [&](const std::string& one) { return one + ": '" + (one == field ? Outside() : creds_ + "/" + one) + "' "; };
    const v1::Object object = ParseObject("listener { metadata { name: 't' } spec { transport: TRANSPORT_KCP bind: '127.0.0.1:0' tls { " +
                                          file("certificate_file") + file("private_key_file") + file("trust_file") +
                                          "require_peer_certificate: true } } }");
    ExpectRefused(Apply(object), "objects[0].spec.tls." + field);
  }
}

TEST_F(NamedFilesTest, TheAnswerDoesNotTellWhetherAFileIsThere) {
  const std::string there = CreateListener("a", Outside()).error_message();
  std::string gone = CreateListener("a", home_->File("outsidf")).error_message();
  gone.replace(gone.find("outsidf"), 7, "outside");
  EXPECT_EQ(there, gone);
}

TEST_F(NamedFilesTest, ALinkThatLeadsOutIsNotFollowed) {
  const grpc::Status status = CreateListener("a", creds_ + "/link");
  EXPECT_EQ(ReasonIn(status), "CREDENTIAL_UNREADABLE");
  EXPECT_THAT(status.error_message(), HasSubstr("leads out of " + creds_));
  BecomeA("ADMIN");
  EXPECT_EQ(ReasonIn(CreateListener("a", creds_ + "/link")), "CREDENTIAL_UNREADABLE") << "whoever names it";
}

TEST_F(NamedFilesTest, AnOperatorLeavesAloneWhatAnAdminNamed) {
  BecomeA("ADMIN");
  ASSERT_TRUE(CreateListener("a", Outside()).ok());
  BecomeA("OPERATOR");
  v1::Object object = Listener("a", Outside());
  object.mutable_listener()->mutable_spec()->set_paused(true);
  EXPECT_TRUE(Update(object, {"spec.paused"}).ok());
  object.mutable_listener()->mutable_spec()->set_paused(false);
  EXPECT_TRUE(Apply(object).ok());
  ExpectRefused(Apply(Listener("b", Outside())), "objects[0].spec.kcp.seed_file");
  ExpectRefused(CreateListener("b", Outside()), "spec.kcp.seed_file");
  ExpectRefused(Update(Listener("a", home_->File("creds")), {"spec.kcp.seed_file"}), "spec.kcp.seed_file");
  ASSERT_TRUE(Update(Listener("a", Inside()), {"spec.kcp.seed_file"}).ok());
  ExpectRefused(Update(Listener("a", Outside()), {"spec.kcp.seed_file"}), "spec.kcp.seed_file");
}

class ViewersFilesTest : public NamedFilesTest {
 protected:
  ViewersFilesTest() : NamedFilesTest("VIEWER") {}
};

TEST_F(ViewersFilesTest, AProbeReadsNoOtherFileForAViewer) {
  EXPECT_TRUE(Probe(Inside()).ok());
  ExpectRefused(Probe(Outside()), "spec.kcp.seed_file");
}

class NoFolderTest : public NamedFilesTest {
 protected:
  NoFolderTest() : NamedFilesTest("OPERATOR", /*has_folder=*/false) {}
};

TEST_F(NoFolderTest, WithoutFoldersAnOperatorNamesNoFileAndAnAdminAny) {
  ExpectRefused(CreateListener("a", Inside()), "spec.kcp.seed_file");
  BecomeA("ADMIN");
  EXPECT_TRUE(CreateListener("a", Inside()).ok());
  EXPECT_TRUE(CreateListener("b", Outside()).ok());
  EXPECT_TRUE(CreateListener("c", creds_ + "/link").ok()) << "not below any folder that was named as such";
  EXPECT_TRUE(Probe(Outside()).ok());
}

// What a store kept was judged when it was made.
TEST_F(NoFolderTest, RestoredObjectsNameAnyFile) {
  Await<bool>([&](auto done) { supervisor_->Restore({Listener("kept", Outside())}, [done] { done(true); }); });
  EXPECT_TRUE(Await<absl::StatusOr<v1::Object>>([&](auto done) { supervisor_->Get({Kind::kListener, "kept"}, done); }).ok());
}

}  // namespace
}  // namespace culvert::server
