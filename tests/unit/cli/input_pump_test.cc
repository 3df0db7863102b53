#include "cli/process/input_pump.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <future>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace culvert::cli {
namespace {

std::string Noise(size_t bytes) {
  std::mt19937_64 generator(7);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(generator());
  return out;
}

// A file in memory, whose offset tells exactly how much of it was read.
int InputOf(const std::string& bytes) {
  const int descriptor = ::memfd_create("input", MFD_CLOEXEC);
  size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t count = ::write(descriptor, bytes.data() + written, bytes.size() - written);
    if (count <= 0) break;
    written += static_cast<size_t>(count);
  }
  ::lseek(descriptor, 0, SEEK_SET);
  return descriptor;
}

TEST(InputPump, HandsOnAllBytesAndReadsNothingAhead) {
  const std::string input = Noise(10 << 20);
  const int descriptor = InputOf(input);
  std::string taken;
  size_t largest = 0;
  std::promise<int> ended;
  InputPump pump({.descriptor = descriptor}, {[&](std::string piece) {
                                                largest = std::max(largest, piece.size());
                                                taken += piece;
                                                EXPECT_EQ(static_cast<size_t>(::lseek(descriptor, 0, SEEK_CUR)),
                                                          taken.size());
                                                return true;
                                              },
                                              [&](int error) { ended.set_value(error); }});
  EXPECT_EQ(ended.get_future().get(), 0);
  pump.Stop();
  EXPECT_TRUE(taken == input);
  EXPECT_EQ(largest, 1u << 20);
  ::close(descriptor);
}

TEST(InputPump, KeepsDatagramsApart) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  for (const std::string& datagram : {std::string("a"), std::string("bc"), std::string(100, 'd')})
    ASSERT_EQ(::send(ends[1], datagram.data(), datagram.size(), 0), static_cast<ssize_t>(datagram.size()));
  ::close(ends[1]);
  std::vector<size_t> sizes;
  std::promise<int> ended;
  InputPump pump({.descriptor = ends[0], .read_bytes = 65507, .piece_bytes = 65507},
                 {[&](std::string piece) {
                    sizes.push_back(piece.size());
                    return true;
                  },
                  [&](int error) { ended.set_value(error); }});
  EXPECT_EQ(ended.get_future().get(), 0);
  EXPECT_EQ(sizes, (std::vector<size_t>{1, 2, 100}));
  pump.Stop();
  ::close(ends[0]);
}

TEST(InputPump, StopsWhileItWaits) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  std::promise<std::string> came;
  bool ended = false;
  InputPump pump({.descriptor = ends[0]}, {[&](std::string piece) {
                                             came.set_value(piece);
                                             return true;
                                           },
                                           [&](int) { ended = true; }});
  EXPECT_EQ(came.get_future().get(), "x");
  pump.Stop();  // the other end of the pipe is still open: without the wake-up this waits for ever
  EXPECT_FALSE(ended);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(InputPump, EndsWhenNoMoreIsWanted) {
  const int descriptor = InputOf(Noise(3 << 20));
  int pieces = 0;
  bool ended = false;
  std::promise<void> refused;
  {
    InputPump pump({.descriptor = descriptor}, {[&](std::string) {
                                                  ++pieces;
                                                  refused.set_value();
                                                  return false;
                                                },
                                                [&](int) { ended = true; }});
    refused.get_future().wait();
  }
  EXPECT_EQ(pieces, 1);
  EXPECT_FALSE(ended);
  ::close(descriptor);
}

TEST(InputPump, TellsWhyAnInputCannotBeRead) {
  const int folder = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::pair<int, int> rows[] = {{folder, EISDIR}, {-1, 0}};
  for (const auto& [descriptor, expected] : rows) {
    std::promise<int> ended;
    InputPump pump({.descriptor = descriptor},
                   {[](std::string) { return true; }, [&](int error) { ended.set_value(error); }});
    EXPECT_EQ(ended.get_future().get(), expected);
    pump.Stop();
  }
  ::close(folder);
}

}  // namespace
}  // namespace culvert::cli
