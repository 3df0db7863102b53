#include "core/io/folder_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "core/io/socket_status.h"

namespace culvert::io {
namespace {

constexpr uint32_t kEvents =
    IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR;

// Reads all there is, and whether there was anything.
bool Drain(int fd) {
  alignas(inotify_event) std::array<char, 4096> buffer;
  bool was_any = false;
  while (read(fd, buffer.data(), buffer.size()) > 0) was_any = true;
  return was_any;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FolderWatch>> FolderWatch::Create(std::vector<std::string> folders) {
  FileDescriptor wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.is_open()) return SocketStatus("create an eventfd", errno);
  FileDescriptor watch(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  std::unique_ptr<FolderWatch> made(new FolderWatch(std::move(folders), std::move(wake), std::move(watch)));
  made->WatchAgain();
  return made;
}

void FolderWatch::WatchAgain() {
  if (!watch_.is_open()) return;
  // A folder that is watched already is not watched twice.
  for (const std::string& folder : folders_) static_cast<void>(inotify_add_watch(watch_.get(), folder.c_str(), kEvents));
}

FolderWatch::Event FolderWatch::Wait(Duration time) {
  std::array<pollfd, 2> fds = {pollfd{wake_.get(), POLLIN, 0}, pollfd{watch_.get(), POLLIN, 0}};  // a negative one is passed over
  const auto left = std::max<int64_t>(std::chrono::ceil<std::chrono::milliseconds>(time).count(), 0);
  const int ready = poll(fds.data(), fds.size(), static_cast<int>(std::min<int64_t>(left, 3'600'000)));
  if (ready <= 0) return Event::kNothing;
  if (fds[0].revents != 0 && Drain(wake_.get())) return Event::kWake;
  return fds[1].revents != 0 && Drain(watch_.get()) ? Event::kChange : Event::kNothing;
}

void FolderWatch::Wake() {
  const uint64_t one = 1;
  static_cast<void>(write(wake_.get(), &one, sizeof one) == sizeof one);  // full: it is awake already
}

}  // namespace culvert::io
