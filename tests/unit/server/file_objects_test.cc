// What is wrong with the files of --config-dir is told with file, line and object; and seed files are read with care.
#include "server/file_objects.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "server/error_builder.h"
#include "server/seed_file.h"

namespace culvert::server {
namespace {

using testing::ElementsAre;

constexpr char kYaml[] = R"(apiVersion: culvert/v1
kind: Listener
metadata: {name: in}
spec:
  transport: KCP
  bind: "0.0.0.0:4000"
  kcp:
    mtu_bytes: 100
)";

TEST(ExplainErrorTest, NamesFileLineAndObject) {
  const auto objects = manifest::Parse(kYaml, "tunnel.yaml", "/etc");
  ASSERT_TRUE(objects.ok()) << objects.status();
  const absl::Status error =
      InvalidFields({{"objects[0].spec.kcp.mtu_bytes", "100 is not in [576, 1460]"}, {"objects[0].spec.insecure", "must be true"}});
  EXPECT_THAT(ExplainError(error, *objects),
              ElementsAre("tunnel.yaml:8: listener/in: spec.kcp.mtu_bytes: 100 is not in [576, 1460]",
                          "tunnel.yaml:4: listener/in: spec.insecure: must be true"));
}

TEST(ExplainErrorTest, ExplainsErrorsOfTheMachineToo) {
  const auto objects = manifest::Parse(kYaml, "tunnel.yaml", "/etc");
  ASSERT_TRUE(objects.ok());
  const absl::Status error = ErrorBuilder(absl::StatusCode::kFailedPrecondition, "ADDRESS_IN_USE",
                                          "objects[0].spec.bind: bind 0.0.0.0:4000: address already in use")
                                 .Metadata("field", "objects[0].spec.bind")
                                 .Build();
  EXPECT_THAT(ExplainError(error, *objects),
              ElementsAre("tunnel.yaml:6: listener/in: spec.bind: bind 0.0.0.0:4000: address already in use"));
  EXPECT_THAT(ExplainError(InvalidField("objects[99].spec", "x"), *objects), ElementsAre("objects[99].spec: x"));
  EXPECT_THAT(ExplainError(InvalidField("objects[", "x"), *objects), ElementsAre("objects[: x"));
}

class SeedFileTest : public testing::Test {
 protected:
  SeedFileTest() : folder_(testing::TempDir() + "/seed_file_test") { std::filesystem::create_directories(folder_); }
  ~SeedFileTest() override { std::filesystem::remove_all(folder_); }
  std::string Write(const std::string& content) {
    std::ofstream(folder_ + "/seed", std::ios::binary) << content;
    return folder_ + "/seed";
  }
  const std::string folder_;
};

TEST_F(SeedFileTest, DropsOneTrailingNewline) {
  EXPECT_EQ(*ReadSeedFile(Write("secret\n"), "f"), "secret");
  EXPECT_EQ(*ReadSeedFile(Write("secret\r\n"), "f"), "secret");
  EXPECT_EQ(*ReadSeedFile(Write("secret\n\n"), "f"), "secret\n");
  EXPECT_EQ(*ReadSeedFile(Write("secret"), "f"), "secret");
  EXPECT_EQ(*ReadSeedFile(Write("a b\t"), "f"), "a b\t");
  EXPECT_EQ(ReadSeedFile(Write(std::string(4096, 'x')), "f")->size(), 4096u);
}

TEST_F(SeedFileTest, NamesFileAndReason) {
  const absl::Status missing = ReadSeedFile(folder_ + "/none", "spec.kcp.seed_file").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReasonOf(missing), "CREDENTIAL_UNREADABLE");
  EXPECT_EQ(std::string(missing.message()), "spec.kcp.seed_file: " + folder_ + "/none: No such file or directory");
  EXPECT_EQ(DetailOf<google::rpc::PreconditionFailure>(missing).violations(0).type(), "FILE");
  EXPECT_EQ(ReasonOf(ReadSeedFile(folder_, "f").status()), "CREDENTIAL_UNREADABLE");
  const absl::Status large = ReadSeedFile(Write(std::string(4097, 'x')), "f").status();
  EXPECT_EQ(ReasonOf(large), "CREDENTIAL_UNREADABLE");
  EXPECT_THAT(std::string(large.message()), testing::Not(testing::HasSubstr("xxx")));
}

}  // namespace
}  // namespace culvert::server
