#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <iostream>
#include <random>
#include <sstream>
#include <streambuf>

#include "cli/process/interrupt.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/fake_daemon.h"

namespace culvert::cli {
namespace {

using Stream = FakeDaemon::ConnectStream;
using Open = v1::ConnectRequest::Open;

// An output that tells of all that comes. False from `on_bytes`: it cannot be written any more.
class Sink : public std::streambuf {
 public:
  std::string bytes;
  std::atomic<size_t> size{0};
  std::function<bool(const std::string& all)> on_bytes;

 private:
  std::streamsize xsputn(const char* data, std::streamsize count) override {
    bytes.append(data, static_cast<size_t>(count));
    size = bytes.size();
    return !on_bytes || on_bytes(bytes) ? count : 0;
  }
};

// Standard input: a file in memory, or one end of a pipe that stays open.
class Input {
 public:
  explicit Input(const std::string& bytes) : descriptor_(::memfd_create("input", MFD_CLOEXEC)) {
    for (size_t written = 0; written < bytes.size();) {
      const ssize_t count = ::write(descriptor_, bytes.data() + written, bytes.size() - written);
      if (count <= 0) break;
      written += static_cast<size_t>(count);
    }
    ::lseek(descriptor_, 0, SEEK_SET);
  }
  explicit Input(int socket_type) {
    int ends[2] = {-1, -1};
    if (::socketpair(AF_UNIX, socket_type | SOCK_CLOEXEC, 0, ends) == 0) descriptor_ = ends[0], other_ = ends[1];
  }
  ~Input() {
    ::close(descriptor_);
    End();
  }
  void Send(const std::string& bytes) const {
    EXPECT_EQ(::send(other_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  void End() {
    if (const int fd = other_.exchange(-1); fd >= 0) ::close(fd);
  }
  int descriptor() const { return descriptor_; }
  size_t offset() const { return static_cast<size_t>(::lseek(descriptor_, 0, SEEK_CUR)); }

 private:
  int descriptor_ = -1;
  std::atomic<int> other_{-1};
};

void SendOpened(Stream& stream, const std::string& session = "sessions/k3f9q2") {
  v1::ConnectResponse response;
  response.mutable_opened()->set_session(session);
  response.mutable_opened()->mutable_elapsed()->set_nanos(12'400'000);
  stream.Write(response);
}
void SendData(Stream& stream, const std::string& data) {
  v1::ConnectResponse response;
  response.set_data(data);
  stream.Write(response);
}
void SendFinish(Stream& stream) {
  v1::ConnectResponse response;
  response.set_finish(true);
  stream.Write(response);
}

// Everything up to the client's finish. `finished`: it came, and nothing behind it.
std::string ReadAll(Stream& stream, bool* finished = nullptr) {
  std::string all;
  v1::ConnectRequest request;
  while (stream.Read(&request)) {
    if (request.has_finish()) {
      if (finished) *finished = true;
      return all;
    }
    all += request.data();
  }
  return all;
}

class ConnectTest : public testing::Test {
 protected:
  Answer Run(std::vector<std::string> arguments, int input, bool terminal = false) {
    arguments.insert(arguments.begin(), "connect");
    std::ostream out(&sink_);
    return daemon_.RunOn(input, out, std::move(arguments), terminal);
  }

  FakeDaemon daemon_;
  Sink sink_;
};

TEST_F(ConnectTest, EchoesTenMegabytesWithoutRunningAhead) {
  std::mt19937_64 generator(7);
  std::string bytes(10 << 20, '\0');
  for (char& c : bytes) c = static_cast<char>(generator());
  const Input input(bytes);
  // A message that is being sent, one that is being read, and what gRPC holds on its way: far below what there is.
  constexpr size_t kMostAhead = 4 << 20;
  constexpr size_t kMostInMessage = 1 << 20;
  size_t received = 0, messages = 0;
  Open open;
  daemon_.on_connect = [&](const Open& asked, Stream& stream) {
    open = asked;
    SendOpened(stream);
    v1::ConnectRequest request;
    while (stream.Read(&request) && !request.has_finish()) {
      received += request.data().size();
      ++messages;
      EXPECT_LE(request.data().size(), kMostInMessage);
      EXPECT_LE(input.offset() - received, kMostAhead);
      SendData(stream, request.data());
      EXPECT_LE(received - sink_.size, kMostAhead);
    }
    SendFinish(stream);
    return grpc::Status::OK;
  };
  const Answer answer = Run({"dl/edge", "db.internal:5432"}, input.descriptor());
  EXPECT_EQ(answer.code, 0);
  EXPECT_EQ(answer.err, "");
  EXPECT_TRUE(sink_.bytes == bytes);
  EXPECT_GE(messages, 10u);
  EXPECT_EQ(open.dialer(), "edge");
  EXPECT_EQ(open.destination(), "db.internal:5432");
  EXPECT_FALSE(open.udp());
}

TEST_F(ConnectTest, HalfClosesAtTheEndOfTheInput) {
  bool finished = false;
  daemon_.on_connect = [&](const Open& open, Stream& stream) {
    EXPECT_EQ(open.destination(), "");
    SendOpened(stream);
    const std::string all = ReadAll(stream, &finished);
    SendData(stream, "got " + all);
    SendData(stream, " and that is all");
    SendFinish(stream);
    return grpc::Status::OK;
  };
  const Input input(std::string("a\0b", 3));
  const Answer answer = Run({"edge"}, input.descriptor());
  EXPECT_EQ(sink_.bytes, std::string("got a\0b and that is all", 23));
  EXPECT_TRUE(finished);
  EXPECT_EQ(answer.code, 0) << answer.err;
}

TEST_F(ConnectTest, EndsInOrderWhenTheFarSideFinishesFirst) {
  Input input(SOCK_STREAM);
  input.Send("hello");
  bool finished = false;
  std::string rest;
  daemon_.on_connect = [&](const Open&, Stream& stream) {
    SendOpened(stream);
    v1::ConnectRequest request;
    EXPECT_TRUE(stream.Read(&request));
    EXPECT_EQ(request.data(), "hello");
    SendData(stream, "bye");
    SendFinish(stream);
    rest = ReadAll(stream, &finished);
    return grpc::Status::OK;
  };
  // The input never ends, and nobody waits for it.
  const Answer answer = Run({"edge"}, input.descriptor());
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(sink_.bytes, "bye");
  EXPECT_TRUE(finished);
  EXPECT_EQ(rest, "");
}

TEST_F(ConnectTest, WithoutAnInputOnlyReceives) {
  daemon_.on_connect = [](const Open&, Stream& stream) {
    SendOpened(stream);
    EXPECT_EQ(ReadAll(stream), "");
    SendData(stream, "banner");
    SendFinish(stream);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"edge"}, -1).code, 0);
  EXPECT_EQ(sink_.bytes, "banner");
}

TEST_F(ConnectTest, SaysWhyTheFarSideRefused) {
  using grpc::StatusCode;
  struct Row {
    StatusCode code;
    std::string message, reason, error;
    int exit;
  };
  const Row rows[] = {
      {StatusCode::FAILED_PRECONDITION, "db.internal:5432: connection refused", "CONNECT_REFUSED",
       "error: far side refused: db.internal:5432: connection refused (CONNECT_REFUSED)\n", 6},
      {StatusCode::FAILED_PRECONDITION, "no\x1b[2J\nway", "DESTINATION_DENIED",
       "error: far side refused: no\\x1b[2J\\nway (DESTINATION_DENIED)\n", 6},
      {StatusCode::FAILED_PRECONDITION, "nothing came back", "DIAL_FAILED", "error: nothing came back (DIAL_FAILED)\n",
       6},
      {StatusCode::NOT_FOUND, "dialer/edge does not exist", "RESOURCE_NOT_FOUND",
       "error: dialer/edge does not exist (RESOURCE_NOT_FOUND)\n", 3},
      {StatusCode::INVALID_ARGUMENT, "open.destination: must be empty", "INVALID_FIELD",
       "error: open.destination: must be empty (INVALID_FIELD)\n", 2},
      {StatusCode::RESOURCE_EXHAUSTED, "too many calls", "TOO_MANY_CALLS", "error: too many calls (TOO_MANY_CALLS)\n",
       8},
  };
  Input input(SOCK_STREAM);
  for (const Row& row : rows) {
    daemon_.on_connect = [&row](const Open&, Stream&) { return ErrorWithDetails(row.code, row.message, row.reason); };
    const Answer answer = Run({"edge", "db.internal:5432"}, input.descriptor());
    EXPECT_EQ(answer.err, row.error);
    EXPECT_EQ(answer.code, row.exit) << row.error;
  }
  EXPECT_EQ(sink_.bytes, "");
}

TEST_F(ConnectTest, SaysThatAnOpenStreamBroke) {
  Input input(SOCK_STREAM);
  daemon_.on_connect = [](const Open&, Stream& stream) {
    SendOpened(stream);
    SendData(stream, "half a");
    return ErrorWithDetails(grpc::StatusCode::UNAVAILABLE, "the session was lost", "SESSION_LOST");
  };
  const Answer answer = Run({"edge"}, input.descriptor());
  EXPECT_EQ(answer.err, "error: the session was lost (SESSION_LOST)\n");
  EXPECT_EQ(answer.code, 5);
  EXPECT_EQ(sink_.bytes, "half a");
}

TEST_F(ConnectTest, RemarksOnATerminalOnly) {
  std::string session = "sessions/k3f9q2";
  daemon_.on_connect = [&session](const Open&, Stream& stream) {
    SendOpened(stream, session);
    SendFinish(stream);
    ReadAll(stream);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"edge"}, -1, true).err, "connected through k3f9q2 in 12ms\n");
  EXPECT_EQ(Run({"edge", "-q"}, -1, true).err, "");
  EXPECT_EQ(Run({"edge"}, -1, false).err, "");
  session = "";
  EXPECT_EQ(Run({"edge"}, -1, true).err, "connected in 12ms\n");
  session = "sessions/\x1b[2J";
  EXPECT_EQ(Run({"edge"}, -1, true).err, "connected through \\x1b[2J in 12ms\n");
}

TEST_F(ConnectTest, GivesUpOnAnOpenThatIsNotAnswered) {
  daemon_.on_connect = [](const Open&, Stream& stream) {
    ReadAll(stream);  // until the caller goes away
    return grpc::Status::OK;
  };
  const Answer answer = Run({"edge", "--request-timeout", "10ms"}, -1);
  EXPECT_EQ(answer.err, "error: no answer within 10ms\nnext: give it longer with --request-timeout\n");
  EXPECT_EQ(answer.code, 7);
}

TEST_F(ConnectTest, GivesUpOnSilenceBehindTheInputWhenAsked) {
  daemon_.on_connect = [](const Open&, Stream& stream) {
    SendOpened(stream);
    EXPECT_EQ(ReadAll(stream), "question");
    EXPECT_EQ(ReadAll(stream), "");  // until the caller goes away
    return grpc::Status::OK;
  };
  const Input input("question");
  const Answer answer = Run({"edge", "--timeout", "10ms"}, input.descriptor());
  EXPECT_EQ(answer.err, "error: nothing came for 10ms after the end of the input\n");
  EXPECT_EQ(answer.code, 7);
}

TEST_F(ConnectTest, AnInputThatCannotBeReadIsNoEnd) {
  bool finished = false;
  daemon_.on_connect = [&finished](const Open&, Stream& stream) {
    SendOpened(stream);
    ReadAll(stream, &finished);
    return grpc::Status::OK;
  };
  const int folder = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const Answer answer = Run({"edge"}, folder);
  ::close(folder);
  EXPECT_EQ(answer.err, "error: standard input cannot be read: Is a directory\n");
  EXPECT_EQ(answer.code, 8);
  EXPECT_FALSE(finished);
}

TEST_F(ConnectTest, EndsWhenTheOutputCannotBeWritten) {
  Input input(SOCK_STREAM);
  sink_.on_bytes = [](const std::string&) { return false; };
  daemon_.on_connect = [](const Open&, Stream& stream) {
    SendOpened(stream);
    v1::ConnectResponse response;
    response.set_data("x");
    while (stream.Write(response)) {
    }
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"edge"}, input.descriptor()).err, "");  // main finds the stream broken and says so
  EXPECT_EQ(sink_.bytes, "x");
}

TEST_F(ConnectTest, CarriesDatagrams) {
  Input input(SOCK_SEQPACKET);
  const std::vector<std::string> datagrams = {"one", std::string("\0\xff", 2), std::string(65507, 'x')};
  for (const std::string& datagram : datagrams) input.Send(datagram);
  size_t total = 0;
  for (const std::string& datagram : datagrams) total += datagram.size();
  std::vector<std::string> received;
  daemon_.on_connect = [&](const Open& open, Stream& stream) {
    EXPECT_TRUE(open.udp());
    SendOpened(stream, "");
    v1::ConnectRequest request;
    while (stream.Read(&request) && !request.has_finish()) {
      received.push_back(request.data());
      SendData(stream, request.data());
    }
    return grpc::Status::OK;
  };
  // The input ends once every answer is there: what follows is silence, which ends it.
  sink_.on_bytes = [&](const std::string& all) {
    if (all.size() == total) input.End();
    return true;
  };
  const Answer answer = Run({"edge", "dns.internal:53", "--udp", "--timeout", "10ms"}, input.descriptor());
  EXPECT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(received, datagrams);
  EXPECT_EQ(sink_.bytes, datagrams[0] + datagrams[1] + datagrams[2]);
}

TEST_F(ConnectTest, NoDatagramIsLargerThanOneCanBe) {
  std::vector<size_t> sizes;
  daemon_.on_connect = [&](const Open&, Stream& stream) {
    SendOpened(stream);
    v1::ConnectRequest request;
    for (int i = 0; i < 2 && stream.Read(&request); ++i) sizes.push_back(request.data().size());
    SendFinish(stream);
    ReadAll(stream);
    return grpc::Status::OK;
  };
  const Input input(std::string(100'000, 'x'));
  // The far side's finish ends it, long before the hour.
  EXPECT_EQ(Run({"edge", "dns.internal:53", "--udp", "--timeout", "1h"}, input.descriptor()).code, 0);
  EXPECT_EQ(sizes, (std::vector<size_t>{65507, 34493}));
}

TEST_F(ConnectTest, SaysWhatIsWrong) {
  const std::pair<std::vector<std::string>, std::string> rows[] = {
      {{}, "error: a dialer is wanted: dl/NAME\n"},
      {{"dl/"}, "error: a dialer is wanted: dl/NAME\n"},
      {{"lsn/a"}, "error: only a dialer leads into a tunnel: dl/NAME\n"},
      {{"edge", "db"}, "error: \"db\" is not HOST:PORT\n"},
      {{"edge", ":53"}, "error: \":53\" is not HOST:PORT\n"},
      {{"edge", "db:0"}, "error: \"db:0\" is not HOST:PORT\n"},
      {{"edge", "db:65536"}, "error: \"db:65536\" is not HOST:PORT\n"},
      {{"edge", "db:http"}, "error: \"db:http\" is not HOST:PORT\n"},
      {{"edge", "db:1", "extra"}, "error: unexpected argument \"extra\"\n"},
      {{"edge", "--timeout", "5"},
       "error: --timeout: \"5\" is not a duration: write a number with a unit, e.g. 50ms, 10s, 2m, 1h\n"},
      {{"edge", "--timeout", "0s"}, "error: --timeout: above 0, at most 24h\n"},
      {{"edge", "-o", "json"}, "error: connect does not print -o json\n"},
      {{"edge", "--upd"}, "error: unknown flag --upd (did you mean --udp?)\n"},
  };
  for (const auto& [words, error] : rows) {
    const Answer answer = Run(words, -1);
    EXPECT_EQ(answer.code, 2) << error;
    EXPECT_EQ(answer.err.substr(0, answer.err.find('\n') + 1), error);
  }
}

// Signals are the whole process's: the test of them has one of its own.
TEST(ConnectDeathTest, EndsWithAnInterrupt) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        FakeDaemon daemon;
        Input input(SOCK_STREAM);
        daemon.on_connect = [](const Open&, Stream& stream) {
          SendOpened(stream);
          ::kill(::getpid(), SIGINT);
          ReadAll(stream);
          return grpc::Status::OK;
        };
        InstallInterruptHandlers();
        std::ostringstream out;
        const Answer answer = daemon.RunOn(input.descriptor(), out, {"connect", "edge"});
        // Not the handler's own way out, which is the same code.
        std::cerr << "came back: " << answer.err << "\n";
        ::_exit(answer.code);
      },
      testing::ExitedWithCode(130), "came back: \n");
}

}  // namespace
}  // namespace culvert::cli
