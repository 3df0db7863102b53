// A program to be killed: store_killee FOLDER COUNT makes COUNT numbered changes and says which are acknowledged, a line each, written
// at once. It goes on from what it finds. Now and then it empties the log and keeps a copy, as the writer does.
// Ends with 0; 2: the store cannot be opened; 3: a change failed; 4: what was found is not what one change left (numbered_changes.h).
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "core/crypto/system_random.h"
#include "tests/unit/server_store/numbered_changes.h"

namespace {

void Say(const std::string& line) {
  if (write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(5);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace culvert::server;
  if (argc != 3) return 1;
  culvert::SystemRandom random;
  StoreContent content;
  auto opened = ObjectStore::Open(argv[1], random, content);
  if (!opened.ok()) {
    Say("open: " + opened.status().ToString() + "\n");
    return 2;
  }
  ObjectStore& store = **opened;
  const int found = NumberOf(content.objects);
  if (found < 0) return 4;
  for (int number = found + 1; number <= found + std::atoi(argv[2]); ++number) {
    absl::Status status = store.Commit(NumberedChange(number));
    if (status.ok()) Say("stored " + std::to_string(number) + "\n");
    if (status.ok() && (number % 3 == 0 || number % 5 == 0)) status = store.EmptyLog();
    if (!status.ok()) {
      Say("failed: " + status.ToString() + "\n");
      return 3;
    }
    if (number % 5 != 0) continue;
    if (status = store.KeepCopy(); !status.ok()) Say("no copy: " + status.ToString() + "\n");
  }
}
