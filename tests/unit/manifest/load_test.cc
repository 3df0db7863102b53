#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "proto/manifest/manifest.h"

namespace culvert::manifest {
namespace {

class LoadTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = (std::filesystem::temp_directory_path() / "manifest.").string() + std::string(6, 'X');
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = (folder_ / name).string();
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  static std::string Listener(const std::string& name) {
    return "apiVersion: culvert/v1\nkind: Listener\nmetadata: {name: " + name +
           "}\nspec: {transport: KCP, bind: \"[::]:1\", kcp: {seed_file: seed}}\n";
  }

  std::filesystem::path folder_;
};

TEST_F(LoadTest, ReadsAFolderInOrderAndNothingElseInIt) {
  Write("b.yaml", Listener("b"));
  Write("a.yml", Listener("a"));
  Write("c.json",
        R"({"apiVersion": "culvert/v1", "kind": "Forward", "metadata": {"name": "c"}, "spec": {"listener": "a"}})");
  Write(".hidden.yaml", "not: ours\n");
  Write("notes.txt", "not: ours\n");
  Write("seed", "x");
  Write("deeper/d.yaml", Listener("d"));
  Write("folder.yaml/e.yaml", Listener("e"));
  const auto loaded = Load({folder_.string()});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_EQ(loaded->size(), 3u);
  EXPECT_EQ(DisplayName((*loaded)[0].object), "listener/a");
  EXPECT_EQ(DisplayName((*loaded)[1].object), "listener/b");
  EXPECT_EQ(DisplayName((*loaded)[2].object), "forward/c");
  EXPECT_EQ((*loaded)[0].object.listener().spec().kcp().seed_file(), (folder_ / "seed").string());
}

TEST_F(LoadTest, FollowsLinksAsMountedConfigMapsHaveThem) {
  Write("..data/a.yaml", Listener("a"));
  std::filesystem::create_symlink("..data/a.yaml", folder_ / "a.yaml");
  const auto loaded = Load({folder_.string()});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_EQ(loaded->size(), 1u);
  EXPECT_EQ((*loaded)[0].object.listener().spec().kcp().seed_file(), (folder_ / "seed").string());
}

TEST_F(LoadTest, ANameTwiceNamesBothPlaces) {
  const std::string a = Write("a.yaml", Listener("x")), b = Write("b.yaml", Listener("x"));
  const auto loaded = Load({a, b});
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(std::string(loaded.status().message()), b + ":3: metadata.name: listener/x stands at " + a + ":3 already");
}

TEST_F(LoadTest, FaultsOfAllFilesAreListed) {
  const std::string a = Write("a.yaml", "kind: X\n"), b = Write("b.yaml", "kind: Y\n");
  const auto loaded = Load({folder_.string()});
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(std::string(loaded.status().message()),
            a + ":1: apiVersion: required: culvert/v1\n" + b + ":1: apiVersion: required: culvert/v1");
}

TEST_F(LoadTest, AMissingFileIsNotFound) {
  const std::string path = (folder_ / "none.yaml").string();
  const auto loaded = Load({path});
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(loaded.status().message()), path + ": No such file or directory");
}

TEST_F(LoadTest, AForbiddenFileIsDenied) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything: the refusal cannot be tried";
  const std::string path = Write("a.yaml", Listener("a"));
  std::filesystem::permissions(path, std::filesystem::perms::none);
  EXPECT_EQ(Load({path}).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(LoadTest, AnEmptyFolderIsNoObjects) {
  const auto loaded = Load({folder_.string()});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(loaded->empty());
}

}  // namespace
}  // namespace culvert::manifest
