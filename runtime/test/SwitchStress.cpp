// switch-stress ARTIFACT INPUTS GOLDEN...: sessions on four threads run a compiled artifact while another thread
// switches a million times in all. Every output must equal the golden output of exactly one candidate, and nothing may
// be allocated once the sessions exist.
//
// INPUTS holds the bytes of all inputs one after another, GOLDEN the same of the outputs, one file per candidate in the
// order of the artifact. Prints one line; exit code 1 for a wrong output, an allocation or a candidate never seen.
#include "anybit/runtime.h"

#include "AllocationHook.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

namespace {

using Bytes = std::vector<char>;

constexpr uint32_t kSessions = 4;
constexpr uint32_t kSwitches = 1000000;
// The pause lets runs, and rebuilds of the master store, get through to the end in between.
constexpr uint32_t kBurst = 1000;
constexpr std::chrono::milliseconds kPause(1);

[[noreturn]] void die(const char *what, const char *why) {
  std::fprintf(stderr, "switch-stress: %s: %s\n", what, why);
  std::exit(2);
}

void check(anybit_status status) {
  if (status != ANYBIT_OK)
    die(anybit_status_name(status), anybit_last_error());
}

Bytes readFile(const char *path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    die(path, "cannot be opened");
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

/// Pointers to the tensors that lie one after another in `bytes`.
template <class Pointer> std::vector<Pointer> split(Bytes &bytes, const anybit_tensor *tensors, uint32_t count) {
  std::vector<Pointer> pointers;
  size_t offset = 0;
  for (uint32_t i = 0; i < count; offset += anybit_tensor_bytes(&tensors[i++]))
    pointers.push_back(bytes.data() + offset);
  if (offset != bytes.size())
    die("a file", "has another size than the tensors of the artifact");
  return pointers;
}

/// What all threads share.
struct Stress {
  explicit Stress(const anybit_module_descriptor &descriptor)
      : descriptor(descriptor), seen(descriptor.variant_count) {}

  const anybit_module_descriptor &descriptor;
  Bytes input;
  std::vector<Bytes> golden;
  std::atomic<uint32_t> ready{0};
  std::atomic<bool> go{false}, done{false};
  std::atomic<long> runs{0}, wrong{0};
  std::vector<std::atomic<long>> seen;
};

/// One session's thread; it allocates before `go` only.
void runSession(Stress &stress, anybit_session *session) {
  const anybit_module_descriptor &d = stress.descriptor;
  Bytes output(stress.golden.front().size());
  std::vector<const void *> inputs = split<const void *>(stress.input, d.inputs, d.input_count);
  std::vector<void *> outputs = split<void *>(output, d.outputs, d.output_count);
  ++stress.ready;
  while (!stress.go)
    std::this_thread::yield();
  do {
    std::memset(output.data(), 0x5a, output.size());
    check(anybit_session_run(session, inputs.data(), outputs.data()));
    int matches = 0;
    for (size_t i = 0; i < stress.golden.size(); ++i)
      if (std::memcmp(output.data(), stress.golden[i].data(), output.size()) == 0)
        ++matches, ++stress.seen[i];
    stress.wrong += matches != 1;
    ++stress.runs;
  } while (!stress.done);
}

void switchSessions(const std::vector<anybit_session *> &sessions, uint32_t candidates) {
  uint32_t candidate = 0;
  for (uint32_t i = 0; i < kSwitches; ++i) {
    if (i % kBurst == 0)
      std::this_thread::sleep_for(kPause);
    candidate = (candidate * 5 + i / kSessions + 1) % candidates;
    check(anybit_session_set_candidate(sessions[i % kSessions], candidate));
  }
}

} // namespace

int main(int count, char **arguments) {
  if (count < 4)
    die("usage", "switch-stress ARTIFACT INPUTS GOLDEN...");
  anybit_module *module = nullptr;
  check(anybit_module_open(arguments[1], &module));
  const anybit_module_descriptor &descriptor = *anybit_module_descriptor_of(module);
  if (descriptor.variant_count != static_cast<uint32_t>(count - 3))
    die(arguments[1], "has another number of candidates than there are golden files");
  Stress stress(descriptor);
  stress.input = readFile(arguments[2]);
  for (int i = 3; i < count; ++i)
    stress.golden.push_back(readFile(arguments[i]));

  std::vector<anybit_session *> sessions(kSessions);
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < kSessions; ++i) {
    anybit_session_options options = {sizeof options, i + 1 == kSessions ? 2u : 1u, 0, nullptr, 0};
    check(anybit_session_create(module, &options, &sessions[i]));
    threads.emplace_back([&stress, session = sessions[i]] { runSession(stress, session); });
  }
  while (stress.ready < kSessions)
    std::this_thread::yield();
  anybit::test::countAllocations = true;
  stress.go = true;
  switchSessions(sessions, descriptor.variant_count);
  stress.done = true;
  while (stress.runs < kSessions)
    std::this_thread::yield();
  long allocations = anybit::test::allocations;
  void *volatile counted = std::malloc(1);
  anybit::test::countAllocations = false;
  std::free(counted);
  if (anybit::test::allocationHookWorks && anybit::test::allocations == allocations)
    die("the hook", "does not count allocations");
  for (std::thread &thread : threads)
    thread.join();
  long unseen = std::count(stress.seen.begin(), stress.seen.end(), 0);
  for (anybit_session *session : sessions)
    anybit_session_destroy(session);
  anybit_module_close(module);
  std::printf("%u switches, %ld runs, %ld wrong, %ld candidates never seen, %ld allocations%s\n", kSwitches,
              stress.runs.load(), stress.wrong.load(), unseen, allocations,
              anybit::test::allocationHookWorks ? "" : " (not counted: a sanitizer owns the allocator)");
  return stress.wrong || unseen || allocations;
}
