// Sessions over a hand-made packed module: runs, switches, threads, memory, errors.
#include "AllocationHook.h"
#include "TestSession.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <vector>

namespace {

const float kFactors[kTestCandidates] = {2, 3, 5};

std::vector<float> testInput() {
  std::vector<float> x(kTestLength);
  for (int i = 0; i < kTestLength; ++i)
    x[i] = static_cast<float>(i) * 0.37f - 9;
  return x;
}

std::vector<float> expected(uint32_t candidate) {
  std::vector<float> y = testInput();
  for (float &value : y)
    value = value * kFactors[candidate] + kFactors[candidate];
  return y;
}

class Runtime : public ::testing::Test {
protected:
  void SetUp() override { ASSERT_EQ(anybit_module_wrap(&anybit_test_module, &module), ANYBIT_OK); }
  void TearDown() override { anybit_module_close(module); }

  anybit_session *create(uint32_t threads) {
    anybit_session_options options = optionsWith(threads);
    anybit_session *session = nullptr;
    EXPECT_EQ(anybit_session_create(module, &options, &session), ANYBIT_OK) << anybit_last_error();
    return session;
  }

  static std::vector<float> run(anybit_session *session) {
    std::vector<float> x = testInput(), y(kTestLength);
    const void *inputs[] = {x.data()};
    void *outputs[] = {y.data()};
    EXPECT_EQ(anybit_session_run(session, inputs, outputs), ANYBIT_OK) << anybit_last_error();
    return y;
  }

  anybit_module *module = nullptr;
};

TEST_F(Runtime, EveryCandidateAndThreadCount) {
  for (uint32_t threads : {0u, 1u, 2u, 3u, 7u}) {
    anybit_session *session = create(threads);
    EXPECT_EQ(anybit_session_candidate(session), 0u);
    for (uint32_t candidate : {0u, 2u, 1u, 0u}) {
      ASSERT_EQ(anybit_session_set_candidate(session, candidate), ANYBIT_OK);
      EXPECT_EQ(anybit_session_candidate(session), candidate);
      EXPECT_EQ(anybit_session_prepare(session), ANYBIT_OK);
      EXPECT_EQ(run(session), expected(candidate)) << threads;
    }
    ASSERT_EQ(anybit_session_set_candidate_by_name(session, "w2a2"), ANYBIT_OK);
    EXPECT_EQ(run(session), expected(2));
    anybit_session_destroy(session);
  }
}

TEST_F(Runtime, MillionSwitchesUnderFourRunningSessions) {
  const uint32_t switches = 1000000;
  std::vector<anybit_session *> sessions;
  for (uint32_t i = 0; i < 4; ++i)
    sessions.push_back(create(i == 3 ? 2 : 1));
  std::atomic<bool> done{false};
  std::atomic<long> runs{0}, wrong{0};
  std::vector<std::vector<float>> golden = {expected(0), expected(1), expected(2)};
  std::vector<std::thread> runners;
  for (anybit_session *session : sessions)
    runners.emplace_back([&, session] {
      do {
        std::vector<float> y = run(session);
        wrong += y != golden[0] && y != golden[1] && y != golden[2];
        ++runs;
      } while (!done);
    });
  for (uint32_t i = 0; i < switches; ++i)
    anybit_session_set_candidate(sessions[i % 4], i / 4 % kTestCandidates);
  done = true;
  for (std::thread &runner : runners)
    runner.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(runs, 4);
  for (anybit_session *session : sessions)
    anybit_session_destroy(session);
}

TEST_F(Runtime, SwitchCostsNanoseconds) {
  anybit_session *session = create(1);
  const int switches = 10000000;
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < switches; ++i)
    anybit_session_set_candidate(session, static_cast<uint32_t>(i % kTestCandidates));
  double elapsed = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  RecordProperty("nanoseconds_per_switch", std::to_string(elapsed / switches));
  std::printf("switch: %.2f ns\n", elapsed / switches);
  EXPECT_LT(elapsed / switches, 10000);
  anybit_session_destroy(session);
}

TEST_F(Runtime, NothingIsAllocatedAfterCreation) {
  if (!anybit::test::allocationHookWorks)
    GTEST_SKIP() << "a sanitizer owns the allocator";
  for (uint32_t threads : {1u, 2u}) {
    anybit_session *session = create(threads);
    std::vector<float> x = testInput(), y(kTestLength);
    const void *inputs[] = {x.data()};
    void *outputs[] = {y.data()};
    anybit::test::allocations = 0;
    anybit::test::countAllocations = true;
    for (uint32_t i = 0; i < 30; ++i) {
      anybit_session_set_candidate(session, i % kTestCandidates);
      anybit_session_prepare(session);
      anybit_session_run(session, inputs, outputs);
    }
    anybit::test::countAllocations = false;
    EXPECT_EQ(anybit::test::allocations, 0);
    anybit::test::countAllocations = true;
    void *volatile kept = malloc(1); // the hook itself works
    free(kept);
    anybit::test::countAllocations = false;
    EXPECT_GE(anybit::test::allocations, 1);
    anybit_session_destroy(session);
  }
}

TEST_F(Runtime, CallerMemoryIsUsedExactly) {
  for (uint32_t threads : {1u, 4u}) {
    anybit_session_options options = optionsWith(threads);
    size_t bytes = 0;
    ASSERT_EQ(anybit_session_bytes(module, &options, &bytes), ANYBIT_OK);
    ASSERT_EQ(bytes % ANYBIT_ALIGNMENT, 0u);
    size_t page = 4096, whole = (bytes + page - 1) / page * page;
    char *pages =
        static_cast<char *>(mmap(nullptr, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(pages, MAP_FAILED);
    ASSERT_EQ(mprotect(pages + whole, page, PROT_NONE), 0);
    std::memset(pages, 0x5a, whole);
    char *memory = pages + whole - bytes; // an access behind the block faults, one before it is seen below
    options.memory = memory;
    options.memory_bytes = bytes;
    anybit_session *session = nullptr;
    ASSERT_EQ(anybit_session_create(module, &options, &session), ANYBIT_OK) << anybit_last_error();
    for (uint32_t candidate = 0; candidate < kTestCandidates; ++candidate) {
      anybit_session_set_candidate(session, candidate);
      EXPECT_EQ(run(session), expected(candidate));
    }
    anybit_session_destroy(session);
    for (char *byte = pages; byte < memory; ++byte)
      ASSERT_EQ(*byte, 0x5a);
    options.memory_bytes = bytes - 1;
    EXPECT_EQ(anybit_session_create(module, &options, &session), ANYBIT_INVALID_ARGUMENT);
    EXPECT_NE(std::string(anybit_last_error()).find(std::to_string(bytes)), std::string::npos);
    options.memory = memory + 8;
    EXPECT_EQ(anybit_session_create(module, &options, &session), ANYBIT_INVALID_ARGUMENT);
    munmap(pages, whole + page);
  }
}

/// Whether float sums round up just now; fegetround does not look at the register that they use.
bool roundsUp() {
  volatile float one = 1, tiny = 1e-10f, sum = one + tiny;
  return sum > 1;
}

TEST_F(Runtime, FloatingPointModeOfTheCallerDoesNotMatterAndIsRestored) {
  anybit_session *session = create(2);
  anybit_session_set_candidate(session, 1); // x * 3 is not exact
  std::vector<float> golden = run(session);
  std::vector<float> x = testInput(), y(kTestLength);
  const void *inputs[] = {x.data()};
  void *outputs[] = {y.data()};
  anybit_session_destroy(session);
  fesetround(FE_UPWARD);
  session = create(2); // its threads must not inherit the mode
  anybit_session_set_candidate(session, 1);
  anybit_session_run(session, inputs, outputs);
  bool restored = roundsUp();
  fesetround(FE_TONEAREST);
  EXPECT_TRUE(restored);
  EXPECT_FALSE(roundsUp());
  EXPECT_EQ(y, golden);
  anybit_session_destroy(session);
}

struct Profile {
  anybit_session *session;
  std::vector<std::string> layers;
  anybit_status nestedRun = ANYBIT_OK, nestedProfile = ANYBIT_OK;
};

TEST_F(Runtime, ProfileSeesEveryDispatchAndASecondRunIsRefused) {
  anybit_session *session = create(1);
  Profile profile{session, {}};
  auto record = [](void *user, const anybit_dispatch *dispatch, uint64_t) {
    auto *self = static_cast<Profile *>(user);
    self->layers.push_back(dispatch->layer);
    float x[kTestLength] = {}, y[kTestLength];
    const void *inputs[] = {x};
    void *outputs[] = {y};
    self->nestedRun = anybit_session_run(self->session, inputs, outputs);
    self->nestedProfile = anybit_session_set_profile(self->session, nullptr, nullptr);
  };
  ASSERT_EQ(anybit_session_set_profile(session, record, &profile), ANYBIT_OK);
  EXPECT_EQ(run(session), expected(0));
  EXPECT_EQ(profile.layers, (std::vector<std::string>{"product", "sum"}));
  EXPECT_EQ(profile.nestedRun, ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(profile.nestedProfile, ANYBIT_INVALID_ARGUMENT);
  ASSERT_EQ(anybit_session_set_profile(session, nullptr, nullptr), ANYBIT_OK);
  EXPECT_EQ(run(session), expected(0));
  EXPECT_EQ(profile.layers.size(), 2u);
  anybit_session_destroy(session);
}

TEST_F(Runtime, MistakesOfTheCallerAreNamed) {
  anybit_session *session = create(1);
  float buffer[kTestLength] = {};
  const void *inputs[] = {buffer}, *noInput[] = {nullptr};
  void *outputs[] = {buffer}, *noOutput[] = {nullptr};
  EXPECT_EQ(anybit_session_run(nullptr, inputs, outputs), ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(anybit_session_run(session, nullptr, outputs), ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(anybit_session_run(session, inputs, nullptr), ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(anybit_session_run(session, noInput, outputs), ANYBIT_INVALID_ARGUMENT);
  EXPECT_STREQ(anybit_last_error(), "input 0 ('x') is null");
  EXPECT_EQ(anybit_session_run(session, inputs, noOutput), ANYBIT_INVALID_ARGUMENT);
  EXPECT_STREQ(anybit_last_error(), "output 0 ('y') is null");
  EXPECT_EQ(anybit_session_set_candidate(session, 3), ANYBIT_INVALID_ARGUMENT);
  EXPECT_STREQ(anybit_last_error(), "candidate 3 does not exist; 'test' has 3");
  EXPECT_EQ(anybit_session_set_candidate(nullptr, 0), ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(anybit_session_set_candidate_by_name(session, "w1a1"), ANYBIT_INVALID_ARGUMENT);
  EXPECT_STREQ(anybit_last_error(), "candidate 'w1a1' does not exist; 'test' has w8a8, w4a4, w2a2");
  EXPECT_EQ(anybit_session_set_candidate_by_name(session, nullptr), ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(anybit_session_prepare(nullptr), ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(anybit_session_set_profile(nullptr, nullptr, nullptr), ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(anybit_session_candidate(nullptr), UINT32_MAX);
  EXPECT_EQ(run(session), expected(0));
  anybit_session_destroy(session);

  anybit_session_options options = optionsWith(1025);
  EXPECT_EQ(anybit_session_create(module, &options, &session), ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(session, nullptr);
  options = optionsWith(1);
  options.size = 3;
  EXPECT_EQ(anybit_session_create(module, &options, &session), ANYBIT_INVALID_ARGUMENT);
  options = optionsWith(1);
  options.reserved = 1;
  EXPECT_EQ(anybit_session_create(module, &options, &session), ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(anybit_session_create(nullptr, nullptr, &session), ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(anybit_session_create(module, nullptr, nullptr), ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(anybit_session_bytes(module, nullptr, nullptr), ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(anybit_module_find_candidate(module, "w4a4"), 1);
  EXPECT_EQ(anybit_module_find_candidate(module, "w4"), -1);
  EXPECT_EQ(anybit_module_find_candidate(nullptr, "w4"), -1);
  EXPECT_EQ(anybit_module_descriptor_of(nullptr), nullptr);
  EXPECT_STREQ(anybit_status_name(ANYBIT_UNSUPPORTED_CPU), "unsupported cpu");
  anybit_session_destroy(nullptr);
  anybit_module_close(nullptr);
}

TEST(Descriptor, IsValidated) {
  using Change = std::function<void(Copy &)>;
  const std::vector<std::pair<Change, anybit_status>> changes = {
      {[](Copy &) {}, ANYBIT_OK},
      {[](Copy &c) { c.descriptor.abi_minor = 0, c.descriptor.descriptor_bytes = ANYBIT_LEAST_DESCRIPTOR_BYTES; },
       ANYBIT_OK},
      {[](Copy &c) { c.descriptor.abi_minor = 9, c.descriptor.descriptor_bytes += 64; }, ANYBIT_OK},
      {[](Copy &c) { c.descriptor.abi_major = ANYBIT_ABI_MAJOR + 1; }, ANYBIT_INCOMPATIBLE_ABI},
      {[](Copy &c) { c.descriptor.magic ^= 1; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.descriptor.descriptor_bytes = 8; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.descriptor.model = nullptr; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.descriptor.variant_count = 0; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.descriptor.kernels = nullptr; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.descriptor.inputs = nullptr; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.descriptor.features = "sse2,no-such-thing"; }, ANYBIT_UNSUPPORTED_CPU},
      {[](Copy &c) { c.input.rank = 9; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.input.element_type = 77; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.input.dimensions[0] = -1; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.input.dimensions[0] = INT64_MAX; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.kernels[1].function = nullptr; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.kernels[0].scratch_bytes = 1 << 20; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.variant.name = nullptr; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.variant.arena_bytes = 1 << 20; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.variant.slot_bytes = 1; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.variant.rebuild_count = 1; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.dispatch.kernel = 2; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.dispatch.grid = -1; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.dispatch.claim = 0; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.dispatch.layer = nullptr; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.dispatch.arguments = nullptr; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.arguments[0].index = 1; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.arguments[0].offset = kTestLength * 4; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.arguments[0].kind = 5; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.arguments[0].kind = ANYBIT_ARGUMENT_SLOT; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.arguments[1].constant = nullptr; }, ANYBIT_INVALID_ARTIFACT},
      {[](Copy &c) { c.arguments[2].offset = c.variant.arena_bytes; }, ANYBIT_INVALID_ARTIFACT},
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    Copy copy;
    changes[i].first(copy);
    anybit_module *module = nullptr;
    EXPECT_EQ(anybit_module_wrap(&copy.descriptor, &module), changes[i].second) << i << ": " << anybit_last_error();
    EXPECT_EQ(module != nullptr, changes[i].second == ANYBIT_OK) << i;
    anybit_module_close(module);
  }
}

TEST(Descriptor, BytesOfTensors) {
  auto bytes = [](uint32_t type, uint32_t rank, int64_t first, int64_t second) {
    anybit_tensor tensor = {"t", type, rank, {first, second}};
    return anybit_tensor_bytes(&tensor);
  };
  EXPECT_EQ(bytes(ANYBIT_FLOAT32, 2, 3, 5), 60u);
  EXPECT_EQ(bytes(ANYBIT_INT64, 1, 3, 0), 24u);
  EXPECT_EQ(bytes(ANYBIT_BOOL, 0, 0, 0), 1u);
  EXPECT_EQ(bytes(ANYBIT_FLOAT32, 2, INT64_MAX, 2), 0u);
  EXPECT_EQ(bytes(ANYBIT_FLOAT32, 1, 0, 0), 0u);
  EXPECT_EQ(bytes(ANYBIT_FLOAT32, ANYBIT_MAX_RANK + 1, 1, 1), 0u);
  EXPECT_EQ(bytes(77, 1, 1, 0), 0u);
}

TEST(Descriptor, EveryMissingFeatureIsListed) {
  Copy copy;
  copy.descriptor.features = "first-missing,,second-missing";
  anybit_module *module = nullptr;
  ASSERT_EQ(anybit_module_wrap(&copy.descriptor, &module), ANYBIT_UNSUPPORTED_CPU);
  EXPECT_NE(std::string(anybit_last_error()).find("first-missing, second-missing;"), std::string::npos);
}

TEST(Descriptor, SessionTooLargeForTheAddressSpaceIsRefused) {
  Copy copy;
  copy.descriptor.scratch_bytes = UINT64_C(1) << 62;
  anybit_module *module = nullptr;
  ASSERT_EQ(anybit_module_wrap(&copy.descriptor, &module), ANYBIT_OK);
  anybit_session_options options = optionsWith(8);
  anybit_session *session = nullptr;
  EXPECT_EQ(anybit_session_create(module, &options, &session), ANYBIT_OUT_OF_MEMORY);
  copy.descriptor.arena_bytes = UINT64_MAX - 3;
  size_t bytes = 0;
  EXPECT_EQ(anybit_session_bytes(module, &options, &bytes), ANYBIT_OUT_OF_MEMORY);
  anybit_module_close(module);
}

} // namespace
