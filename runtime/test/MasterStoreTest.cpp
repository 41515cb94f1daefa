// The master store: what a session rebuilds equals what the compiler would have packed, whatever came before.
#include "anybit/runtime.h"
#include "anybit/weights.h"

#include "AllocationHook.h"
extern "C" {
#include "half.h"
}

#include <gtest/gtest.h>

#include <atomic>
#include <cfenv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace {

void copyBytes(void *const *arguments, int64_t begin, int64_t end, void *) {
  std::memcpy(static_cast<char *>(arguments[1]) + begin, static_cast<const char *>(arguments[0]) + begin, end - begin);
}

struct Layer {
  anybit_weight_shape shape;
  uint32_t layout, wavelet;
};

struct Candidate {
  const char *name;
  uint32_t format, bits, storage, block;
  bool perChannel;
  uint32_t planesOfInput = 0; ///< Bits of the input's codes where weights are bit planes.
  int32_t zero = 0;
};

/// A module whose only dispatch copies its weight slot to its output.
class MasterModule {
public:
  MasterModule(const std::vector<Layer> &layers, const std::vector<Candidate> &candidates) {
    std::minstd_rand random(17);
    for (const Layer &layer : layers) {
      std::vector<uint16_t> values(anybit_weight_count(&layer.shape));
      for (uint16_t &value : values)
        value = anybit_float_to_half((static_cast<float>(random() % 4001) - 2000) * 3e-4f);
      halves.push_back(std::move(values));
      const anybit_weight_shape &s = layer.shape;
      masters.push_back({"layer", halves.back().data(), s.outputs, s.inputs, s.kernel_height, s.kernel_width, s.groups,
                         layer.layout, layer.wavelet});
    }
    rebuilds.resize(candidates.size());
    dispatches.reserve(candidates.size());
    for (size_t c = 0; c < candidates.size(); ++c)
      addCandidate(candidates[c], c);
    for (anybit_dispatch &dispatch : dispatches)
      dispatch.grid = dispatch.claim = static_cast<int64_t>(descriptor.slot_bytes);
    for (anybit_variant &variant : variants)
      variant.slot_bytes = descriptor.slot_bytes;
    output = {"slot", ANYBIT_UINT8, 1, {static_cast<int64_t>(descriptor.slot_bytes)}};
    descriptor.magic = ANYBIT_ABI_MAGIC;
    descriptor.abi_major = ANYBIT_ABI_MAJOR;
    descriptor.descriptor_bytes = sizeof descriptor;
    descriptor.model = descriptor.producer = "test";
    descriptor.triple = descriptor.features = "";
    descriptor.outputs = &output, descriptor.output_count = 1;
    descriptor.kernels = &kernel, descriptor.kernel_count = 1;
    descriptor.variants = variants.data(), descriptor.variant_count = static_cast<uint32_t>(variants.size());
    descriptor.masters = masters.data(), descriptor.master_count = static_cast<uint32_t>(masters.size());
  }

  /// The slot as packing on the fly fills it, tensor by tensor without chunks.
  std::vector<uint8_t> packed(size_t candidate) const {
    std::vector<uint8_t> slot(descriptor.slot_bytes, 0);
    for (const anybit_rebuild &r : rebuilds[candidate]) {
      const anybit_master &m = masters[r.master];
      anybit_weight_shape shape = {m.outputs, m.inputs, m.kernel_height, m.kernel_width, m.groups};
      size_t count = static_cast<size_t>(anybit_weight_count(&shape)), row = count / static_cast<size_t>(m.outputs);
      std::vector<float> floats(count), mixed(count), scratch(4 * count + 64);
      for (size_t i = 0; i < count; ++i)
        floats[i] = anybit_half_to_float(m.values[i]);
      anybit_mix_bands(&shape, m.layout, m.wavelet, r.alpha, floats.data(), mixed.data(), scratch.data());
      std::vector<int16_t> codes(count);
      for (size_t o = 0; o < static_cast<size_t>(m.outputs); ++o)
        anybit_encode(r.format, r.bits, r.scales[r.scale_count == 1 ? 0 : o], r.weight_zero, &mixed[o * row],
                      static_cast<int64_t>(row), &codes[o * row]);
      anybit_packing packing = packingOf(r);
      anybit_pack(&shape, &packing, r.format, r.bits, r.weight_zero, r.input_zero, codes.data(), &slot[r.weight_offset],
                  reinterpret_cast<int32_t *>(&slot[r.initial_offset]));
    }
    return slot;
  }

  anybit_module_descriptor descriptor = {};
  std::vector<std::vector<anybit_rebuild>> rebuilds;
  std::vector<anybit_master> masters;

private:
  static anybit_packing packingOf(const anybit_rebuild &r) {
    bool inPlanes = r.order == ANYBIT_ORDER_PLANES;
    return {r.column_block, r.storage_bits, r.taps_in_run,
            !inPlanes && r.storage_bits == 8 ? anybit_weight_planes(r.format, r.bits, r.weight_zero) : 1, r.order, r.input_bits};
  }

  void addCandidate(const Candidate &candidate, size_t index) {
    uint64_t offset = 0;
    for (uint32_t i = 0; i < masters.size(); ++i) {
      const anybit_master &m = masters[i];
      scales.emplace_back();
      for (int64_t o = 0; o < (candidate.perChannel ? m.outputs : 1); ++o)
        scales.back().push_back(0.9f / static_cast<float>((1 << candidate.bits) + o % 5));
      anybit_rebuild r = {};
      r.master = i;
      r.format = candidate.format, r.bits = static_cast<uint16_t>(candidate.bits);
      r.weight_zero = static_cast<int16_t>(candidate.zero);
      r.scale_count = static_cast<uint32_t>(scales.back().size());
      r.scales = scales.back().data();
      const float alpha[4] = {1.0f, 0.9f - 0.1f * static_cast<float>(index), 0.7f, 0.25f};
      std::memcpy(r.alpha, alpha, sizeof alpha);
      r.column_block = candidate.block, r.storage_bits = candidate.storage;
      r.taps_in_run = i % 2 ? static_cast<uint32_t>(m.kernel_width) : 1;
      r.input_zero = 3 + static_cast<int32_t>(index);
      bool hasPadding = m.inputs * r.taps_in_run % 4 != 0;
      r.input_bits = candidate.planesOfInput;
      if (r.input_bits)
        r.order = ANYBIT_ORDER_PLANES, r.taps_in_run = 1;
      else if (hasPadding && (candidate.format == ANYBIT_ODD || candidate.zero < 0))
        r.storage_bits = 8;
      anybit_weight_shape shape = {m.outputs, m.inputs, m.kernel_height, m.kernel_width, m.groups};
      anybit_packing packing = packingOf(r);
      r.weight_offset = offset;
      r.initial_offset = offset += static_cast<uint64_t>(anybit_packed_bytes(&shape, &packing));
      offset += 4 * static_cast<uint64_t>(anybit_padded_outputs(&shape, &packing));
      rebuilds[index].push_back(r);
    }
    descriptor.slot_bytes = std::max(descriptor.slot_bytes, offset);
    dispatches.push_back({"copy", arguments, 0, 2, 0, 1, 0});
    variants.push_back({candidate.name, &dispatches[index], rebuilds[index].data(), 1,
                        static_cast<uint32_t>(rebuilds[index].size()), 0, 0, 0, 0});
    used.push_back(offset);
  }

public:
  std::vector<uint64_t> used; ///< Bytes of the slot that a candidate fills.

private:
  std::vector<std::vector<uint16_t>> halves;
  std::vector<std::vector<float>> scales;
  anybit_argument arguments[2] = {{ANYBIT_ARGUMENT_SLOT, 0, 0, nullptr}, {ANYBIT_ARGUMENT_OUTPUT, 0, 0, nullptr}};
  anybit_kernel kernel = {"copy", "test", copyBytes, 0};
  std::vector<anybit_dispatch> dispatches;
  std::vector<anybit_variant> variants;
  anybit_tensor output = {};
};

const std::vector<Layer> kLayers = {
    {{24, 16, 3, 3, 1}, ANYBIT_LAYOUT_TILE, ANYBIT_HAAR}, {{37, 40, 1, 1, 1}, ANYBIT_LAYOUT_MATRIX, ANYBIT_DB2},
    {{10, 1, 3, 3, 10}, ANYBIT_LAYOUT_TILE, ANYBIT_HAAR}, {{12, 6, 3, 3, 2}, ANYBIT_LAYOUT_PLANE, ANYBIT_HAAR},
    {{9, 600, 3, 3, 1}, ANYBIT_LAYOUT_TILE, ANYBIT_HAAR}, {{18, 5, 5, 3, 3}, ANYBIT_LAYOUT_SPATIAL, ANYBIT_DB2},
    {{33, 20, 1, 1, 1}, ANYBIT_LAYOUT_NONE, ANYBIT_DB2},
};
const std::vector<Candidate> kCandidates = {{"w8", ANYBIT_SIGNED, 8, 8, 16, true},
                                            {"w4", ANYBIT_SIGNED, 4, 4, 16, false},
                                            {"w2", ANYBIT_ODD, 2, 2, 8, true},
                                            {"w8odd", ANYBIT_ODD, 8, 8, 16, false},
                                            {"w2planes", ANYBIT_SIGNED, 2, 2, 16, true, 3},
                                            {"w1planes", ANYBIT_ODD, 1, 1, 8, false, 1},
                                            {"w8narrow", ANYBIT_NARROW, 8, 8, 16, true},
                                            {"w2narrow", ANYBIT_NARROW, 2, 2, 8, false},
                                            {"w3narrowplanes", ANYBIT_NARROW, 3, 3, 8, false, 2},
                                            {"w8unsigned", ANYBIT_UNSIGNED, 8, 8, 16, true},
                                            {"w8middle", ANYBIT_UNSIGNED, 8, 8, 16, false, 0, 131},
                                            {"w4unsigned", ANYBIT_UNSIGNED, 4, 4, 16, true, 0, 7},
                                            {"w2below", ANYBIT_UNSIGNED, 2, 2, 8, true, 0, -3}};

class MasterStore : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_EQ(anybit_module_wrap(&model.descriptor, &module), ANYBIT_OK) << anybit_last_error();
    for (size_t i = 0; i < kCandidates.size(); ++i)
      golden.push_back(model.packed(i));
  }
  void TearDown() override { anybit_module_close(module); }

  anybit_session *create(uint32_t threads) {
    anybit_session_options options = {sizeof options, threads, 0, nullptr, 0};
    anybit_session *session = nullptr;
    EXPECT_EQ(anybit_session_create(module, &options, &session), ANYBIT_OK) << anybit_last_error();
    return session;
  }

  std::vector<uint8_t> run(anybit_session *session) {
    std::vector<uint8_t> slot(model.descriptor.slot_bytes);
    void *outputs[] = {slot.data()};
    EXPECT_EQ(anybit_session_run(session, nullptr, outputs), ANYBIT_OK) << anybit_last_error();
    return slot;
  }

  bool is(const std::vector<uint8_t> &slot, size_t candidate) {
    return std::equal(slot.begin(), slot.begin() + static_cast<long>(model.used[candidate]), golden[candidate].begin());
  }

  MasterModule model{kLayers, kCandidates};
  anybit_module *module = nullptr;
  std::vector<std::vector<uint8_t>> golden;
};

TEST_F(MasterStore, EveryCandidateEqualsPackingOnTheFly) {
  for (uint32_t threads : {1u, 2u, 4u}) {
    anybit_session *session = create(threads);
    EXPECT_TRUE(is(run(session), 0));
    for (uint32_t candidate : {1u, 0u, 2u, 3u, 4u, 3u, 1u, 5u, 6u, 2u, 7u, 8u, 0u, 9u, 10u, 4u, 11u, 12u, 0u}) {
      ASSERT_EQ(anybit_session_set_candidate(session, candidate), ANYBIT_OK);
      ASSERT_EQ(anybit_session_prepare(session), ANYBIT_OK);
      EXPECT_EQ(anybit_session_candidate(session), candidate);
      EXPECT_TRUE(is(run(session), candidate)) << threads << " " << candidate;
    }
    anybit_session_destroy(session);
  }
}

TEST_F(MasterStore, TheBackgroundThreadPublishesAndRunsKeepTheOldUntilThen) {
  anybit_session *session = create(1);
  anybit_session_set_candidate(session, 1);
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (anybit_session_candidate(session) != 1 && std::chrono::steady_clock::now() < deadline) {
    uint32_t before = anybit_session_candidate(session);
    std::vector<uint8_t> slot = run(session);
    EXPECT_TRUE(is(slot, 1) || (before == 0 && is(slot, 0)));
  }
  EXPECT_TRUE(is(run(session), 1));
  anybit_session_destroy(session);
}

TEST_F(MasterStore, TheLatestRequestWins) {
  anybit_session *session = create(2);
  for (uint32_t round = 0; round < 40; ++round) {
    for (uint32_t candidate : {1u, 2u, 3u, 0u, round % 4})
      anybit_session_set_candidate(session, candidate);
    anybit_session_prepare(session);
    EXPECT_EQ(anybit_session_candidate(session), round % 4);
    if (round % 3)
      EXPECT_TRUE(is(run(session), round % 4)) << round;
  }
  anybit_session_destroy(session);
}

TEST_F(MasterStore, AReadyCandidateThatIsNoLongerWantedIsNotUsed) {
  anybit_session *session = create(1);
  anybit_session_set_candidate(session, 2);
  anybit_session_prepare(session);
  anybit_session_set_candidate(session, 0);
  EXPECT_EQ(anybit_session_candidate(session), 0u);
  EXPECT_TRUE(is(run(session), 0));
  anybit_session_destroy(session);
}

TEST_F(MasterStore, RunsAreWholeWhileOthersRequestAndPrepare) {
  anybit_session *session = create(2);
  std::atomic<bool> done{false};
  std::atomic<int> torn{0}, runs{0};
  std::thread runner([&] {
    while (!done) {
      std::vector<uint8_t> slot = run(session);
      torn += !is(slot, 0) && !is(slot, 1) && !is(slot, 2) && !is(slot, 3);
      ++runs;
    }
  });
  std::vector<std::thread> askers;
  for (uint32_t asker = 0; asker < 2; ++asker)
    askers.emplace_back([&, asker] {
      for (uint32_t i = 0; i < 100; ++i) {
        anybit_session_set_candidate(session, (i * 7 + asker) % 4);
        if (i % 3 == asker)
          anybit_session_prepare(session);
      }
    });
  for (std::thread &asker : askers)
    asker.join();
  while (runs < 3)
    std::this_thread::yield();
  done = true;
  runner.join();
  EXPECT_EQ(torn, 0);
  anybit_session_destroy(session);
}

TEST_F(MasterStore, PrepareIgnoresTheCallersFloatingPointModeAndAllocatesNothing) {
  anybit_session *session = create(2);
  anybit::test::allocations = 0;
  fesetround(FE_UPWARD);
  anybit::test::countAllocations = true;
  anybit_session_set_candidate(session, 1);
  anybit_session_prepare(session);
  anybit::test::countAllocations = false;
  int mode = fegetround();
  fesetround(FE_TONEAREST);
  EXPECT_EQ(mode, FE_UPWARD);
  EXPECT_EQ(anybit::test::allocations, 0);
  EXPECT_TRUE(is(run(session), 1));
  anybit_session_destroy(session);
}

TEST_F(MasterStore, DestroyAbandonsARebuild) {
  for (int i = 0; i < 20; ++i) {
    anybit_session *session = create(2);
    anybit_session_set_candidate(session, 3);
    anybit_session_destroy(session);
  }
}

TEST_F(MasterStore, InconsistentRebuildsAreRefused) {
  auto refused = [&](auto change) {
    MasterModule copy(kLayers, kCandidates);
    change(copy);
    anybit_module *wrapped = nullptr;
    anybit_status status = anybit_module_wrap(&copy.descriptor, &wrapped);
    anybit_module_close(wrapped);
    return status == ANYBIT_INVALID_ARTIFACT;
  };
  static const float infinite = INFINITY;
  EXPECT_FALSE(refused([](MasterModule &) {}));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[0][0].master = 7; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[0][0].format = 4; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[0][0].weight_zero = 1; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[4][0].format = ANYBIT_UNSIGNED; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[11][5].weight_zero = 16; })); // no code pads 15 values
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[0][0].bits = 9; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[0][0].scale_count = 2; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[1][0].scales = &infinite; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[0][0].column_block = 12; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[0][0].storage_bits = 4; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[0][0].taps_in_run = 2; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[0][0].order = 2; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[4][0].storage_bits = 8; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[4][0].input_bits = 0; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[4][0].input_bits = 9; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[0][0].weight_offset = m.descriptor.slot_bytes; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.rebuilds[0][0].initial_offset += 2; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.masters[0].outputs = INT64_MAX; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.masters[0].groups = 5; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.masters[0].layout = 5; }));
  EXPECT_TRUE(refused([](MasterModule &m) { m.masters[0].values = nullptr; }));
}

TEST(Half, VectorsConvertAsOneByOne) {
  std::vector<uint16_t> halves(65536);
  for (size_t i = 0; i < halves.size(); ++i)
    halves[i] = static_cast<uint16_t>(i);
  for (size_t first : {0, 1, 3, 65529}) { // Whole registers and what is left of one.
    std::vector<float> floats(halves.size() - first + 1, 777.0f);
    anybit_halves_to_floats(halves.data() + first, int64_t(floats.size()) - 1, floats.data());
    EXPECT_EQ(floats.back(), 777.0f);
    for (size_t i = 0; i + 1 < floats.size(); ++i) {
      float one = anybit_half_to_float(halves[first + i]);
      if (std::isnan(one))
        EXPECT_TRUE(std::isnan(floats[i]));
      else
        EXPECT_EQ(anybit_bits_of_float(floats[i]), anybit_bits_of_float(one)) << first + i;
    }
  }
}

TEST(MasterStoreSpeed, TwentyFiveMillionWeights) {
  if (!anybit::test::allocationHookWorks)
    GTEST_SKIP() << "the time under a sanitizer says nothing";
  // ResNet-50's mix: about 11.3 M weights in 3x3 kernels, 14 M in 1x1.
  std::vector<Layer> layers;
  for (int i = 0; i < 5; ++i)
    layers.push_back({{512, 480, 3, 3, 1}, ANYBIT_LAYOUT_TILE, ANYBIT_HAAR});
  for (int i = 0; i < 13; ++i)
    layers.push_back({{512, 2048, 1, 1, 1}, ANYBIT_LAYOUT_TILE, ANYBIT_HAAR});
  MasterModule model(layers, {{"w8", ANYBIT_SIGNED, 8, 8, 16, true}, {"w4", ANYBIT_SIGNED, 4, 4, 16, true}});
  anybit_module *module = nullptr;
  ASSERT_EQ(anybit_module_wrap(&model.descriptor, &module), ANYBIT_OK) << anybit_last_error();
  anybit_session *session = nullptr;
  ASSERT_EQ(anybit_session_create(module, nullptr, &session), ANYBIT_OK);
  for (uint32_t i = 1; i <= 8; ++i) {
    bool background = i > 4;
    auto start = std::chrono::steady_clock::now();
    anybit_session_set_candidate(session, i % 2);
    if (background)
      while (anybit_session_candidate(session) != i % 2)
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    anybit_session_prepare(session);
    double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    EXPECT_LT(ms, 5000); // a hundred times what a quiet machine takes
    std::printf("rebuild of 24.7 M weights to %s, %s: %.1f ms\n", i % 2 ? "w4" : "w8",
                background ? "one thread" : "two threads", ms);
    std::vector<uint8_t> slot(model.descriptor.slot_bytes);
    void *outputs[] = {slot.data()};
    ASSERT_EQ(anybit_session_run(session, nullptr, outputs), ANYBIT_OK);
  }
  anybit_session_destroy(session);
  anybit_module_close(module);
}

} // namespace
