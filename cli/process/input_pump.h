// Reads a descriptor on a thread of its own and hands on what came, piece by piece. Nothing is read while the piece before is
// still being taken, so who is slow slows down whoever writes the input. A read that could wait for ever (a terminal, a silent
// pipe) is given up when the pump stops.
// Thread: Stop and the destructor on the thread that made it; the calls come on the pump's own.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <thread>

namespace culvert::cli {

class InputPump {
 public:
  struct Options {
    int descriptor = -1;            // stays the caller's; -1: an input that has ended
    size_t read_bytes = 64 * 1024;  // of one read
    // Of one piece. Above read_bytes, reads that were full are put together as long as there is more at once; equal to it, each
    // read is a piece, as datagrams want it.
    size_t piece_bytes = 1024 * 1024;
  };
  struct Calls {
    std::function<bool(std::string piece)> on_piece;  // returns once it is taken; false: no more is wanted
    // Once, unless on_piece wanted no more or the pump was stopped: the input has ended, or could not be read (errno; else 0).
    std::function<void(int error)> on_end;
  };

  InputPump(const Options& options, Calls calls);
  ~InputPump() { Stop(); }
  InputPump(const InputPump&) = delete;
  InputPump& operator=(const InputPump&) = delete;

  // No call comes after it returns; it waits for one that is under way.
  void Stop();

 private:
  enum class Ready { kInput, kStop, kNothing };
  Ready Poll(bool wait) const;
  void Run();
  // Appends what there is to `piece`. False: the input has ended, or error_ is set.
  bool Read(std::string& piece);

  const Options options_;
  const Calls calls_;
  int wake_ = -1;  // an eventfd
  int error_ = 0;
  std::thread thread_;  // last: it uses the others
};

}  // namespace culvert::cli
