#include "tests/unit/server_store/own_mounts.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "tests/unit/server_store/store_fixture.h"

namespace culvert::server {

void OwnMounts::Run(const std::function<void()>& body) {
  std::string why_not;
  std::thread([&] {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      why_not = std::strerror(errno);
    } else {
      body();
    }
  }).join();
  if (why_not.empty()) return;
  if (IsRequired("CULVERT_REQUIRE_ROOT_TESTS")) FAIL() << "no mounts of our own: " << why_not;
  GTEST_SKIP() << "SKIPPED: NO FULL AND NO READ-ONLY DISK WAS TRIED, mounts of our own: " << why_not << ". Run the tests as root.";
}

void OwnMounts::Mount(const std::string& folder, size_t bytes) {
  const std::string options = "mode=700,size=" + std::to_string(bytes);
  ASSERT_EQ(mount("tmpfs", folder.c_str(), "tmpfs", 0, options.c_str()), 0) << std::strerror(errno);
}

void OwnMounts::SetReadOnly(const std::string& folder, bool is_read_only) {
  // The same folder once more, on top: with files open for writing nothing can be made read-only itself.
  if (!is_read_only) {
    ASSERT_EQ(umount2(folder.c_str(), MNT_DETACH), 0) << std::strerror(errno);
    return;
  }
  ASSERT_EQ(mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr), 0) << std::strerror(errno);
  ASSERT_EQ(mount(nullptr, folder.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr), 0) << std::strerror(errno);
}

void OwnMounts::Fill(const std::string& folder, size_t bytes_left) {
  const std::string filler = folder + "/filler";
  unlink(filler.c_str());
  struct statvfs info {};
  ASSERT_EQ(statvfs(folder.c_str(), &info), 0);
  const size_t room = info.f_bfree * info.f_frsize;
  ASSERT_GE(room, bytes_left);
  const int fd = open(filler.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(posix_fallocate(fd, 0, static_cast<off_t>(room - bytes_left)), 0);
  close(fd);
}

}  // namespace culvert::server
