//===- ceilings.cpp - what the instructions of kernels reach at best ------===//
//
//    ninja anybit-ceilings && bin/anybit-ceilings
//
// Independent chains of every instruction mix that the recipes of docs/kernels.md use, in multiply-accumulates a
// nanosecond on one thread, and read bandwidths of the memory levels. A kernel's share of its ceiling is its own MAC/ns
// (`anybit bench --profile`) over this figure. What the CPU does not have is left out.
//
//===----------------------------------------------------------------------===//

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

using Loop = void (*)(int64_t repetitions);

double nanosecondsOf(Loop loop, int64_t repetitions) {
  auto start = std::chrono::steady_clock::now();
  loop(repetitions);
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

/// The least time of a repetition: other load of the machine only ever adds. Trials are short, so that some meet none:
/// tiles of a virtual machine, which neighbours take for milliseconds, were seen at a quarter of their rate in long
/// ones.
double bestOf(Loop loop) {
  constexpr double trialNanoseconds = 3e4, allNanoseconds = 2e8;
  int64_t repetitions = 16;
  while (nanosecondsOf(loop, repetitions) < trialNanoseconds)
    repetitions *= 2;
  double best = nanosecondsOf(loop, repetitions);
  for (double spent = best; spent < allNanoseconds;) {
    double time = nanosecondsOf(loop, repetitions);
    best = std::min(best, time);
    spent += time;
  }
  return best / double(repetitions);
}

constexpr int chains = 12; // latency 4 or 5 on two pipes needs 10

// One copy of BODY per chain; \n is its number. Registers 0 to 11 are the accumulators, 12 and 13 the operands.
#define ANYBIT_LOOP(NAME, BODY)                                                                                        \
  void NAME(int64_t repetitions) {                                                                                     \
    asm volatile("1:\n"                                                                                                \
                 ".irp n,0,1,2,3,4,5,6,7,8,9,10,11\n" BODY ".endr\n"                                                   \
                 "dec %0\n"                                                                                            \
                 "jnz 1b\n"                                                                                            \
                 "vzeroupper\n"                                                                                        \
                 : "+r"(repetitions)                                                                                   \
                 :                                                                                                     \
                 : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",      \
                   "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");                                                       \
  }

ANYBIT_LOOP(dotZmm, "vpdpbusd %%zmm12, %%zmm13, %%zmm\\n\n")
ANYBIT_LOOP(dotMemoryZmm, "vpdpbusd -64(%%rsp)%{1to16%}, %%zmm13, %%zmm\\n\n")
ANYBIT_LOOP(dotYmm, "%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm\\n\n")
ANYBIT_LOOP(dotYmmEvex, "%{evex%} vpdpbusd %%ymm12, %%ymm13, %%ymm\\n\n")
ANYBIT_LOOP(bytesZmm, "vpmaddubsw %%zmm12, %%zmm13, %%zmm14\nvpaddw %%zmm14, %%zmm\\n, %%zmm\\n\n")
ANYBIT_LOOP(bytesYmm, "vpmaddubsw %%ymm12, %%ymm13, %%ymm14\nvpaddw %%ymm14, %%ymm\\n, %%ymm\\n\n")
ANYBIT_LOOP(wordsZmm, "vpmaddwd %%zmm12, %%zmm13, %%zmm14\nvpaddd %%zmm14, %%zmm\\n, %%zmm\\n\n")
ANYBIT_LOOP(wordsYmm, "vpmaddwd %%ymm12, %%ymm13, %%ymm14\nvpaddd %%ymm14, %%ymm\\n, %%ymm\\n\n")
ANYBIT_LOOP(wordsXmm, "vpmaddwd %%xmm12, %%xmm13, %%xmm14\nvpaddd %%xmm14, %%xmm\\n, %%xmm\\n\n")
ANYBIT_LOOP(popcountZmm,
            "vpxord %%zmm12, %%zmm13, %%zmm14\nvpopcntd %%zmm14, %%zmm14\nvpaddd %%zmm14, %%zmm\\n, %%zmm\\n\n")
ANYBIT_LOOP(tableZmm, "vpermb %%zmm12, %%zmm13, %%zmm14\nvpdpbusd %%zmm15, %%zmm14, %%zmm\\n\n")
ANYBIT_LOOP(sixTableZmm, "vpermb %%zmm12, %%zmm13, %%zmm14\nvpaddb %%zmm14, %%zmm\\n, %%zmm\\n\n")
ANYBIT_LOOP(bytesTableZmm, "vpshufb %%zmm12, %%zmm13, %%zmm14\nvpaddb %%zmm14, %%zmm\\n, %%zmm\\n\n")
ANYBIT_LOOP(bytesTableYmm, "vpshufb %%ymm12, %%ymm13, %%ymm14\nvpaddb %%ymm14, %%ymm\\n, %%ymm\\n\n")
ANYBIT_LOOP(bytesTableXmm, "vpshufb %%xmm12, %%xmm13, %%xmm14\nvpaddb %%xmm14, %%xmm\\n, %%xmm\\n\n")
ANYBIT_LOOP(realZmm, "vfmadd231ps %%zmm12, %%zmm13, %%zmm\\n\n")
ANYBIT_LOOP(realYmm, "vfmadd231ps %%ymm12, %%ymm13, %%ymm\\n\n")

/// Tile registers: sums 0 to 3, codes 4 and 5 (positions x 64 bytes), weights 6 and 7 (64 values of 16 columns).
struct alignas(64) TileConfig {
  uint8_t palette = 1, start = 0, unused[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

/// Linux gives tile registers only to processes that ask.
bool tilesGranted() {
#if defined(__linux__) && defined(__x86_64__)
  constexpr long requestPermission = 0x1023, tileData = 18;
  return __builtin_cpu_supports("amx-int8") && syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
#else
  return false;
#endif
}

constexpr int tileSteps = 6; // of a block: 24 KiB of operands stay in the nearest cache

void tileRegisters(int64_t repetitions) {
  static const TileConfig config;
  asm volatile("ldtilecfg %1\n"
               "1:\n"
               ".rept 6\n"
               "tdpbusd %%tmm6, %%tmm4, %%tmm0\ntdpbusd %%tmm7, %%tmm4, %%tmm1\n"
               "tdpbusd %%tmm6, %%tmm5, %%tmm2\ntdpbusd %%tmm7, %%tmm5, %%tmm3\n"
               ".endr\n"
               "dec %0\n"
               "jnz 1b\n"
               "tilerelease\n"
               : "+r"(repetitions)
               : "m"(config)
               : "cc");
}

/// Two by two tiles of sums; both operands are loaded in every step. Rows of codes lie as those of a layer of 384
/// channels, weights of both columns side by side.
void tileBlock(int64_t repetitions) {
  static const TileConfig config;
  alignas(64) static uint8_t codes[32 * 64 * tileSteps], weights[2048 * tileSteps];
  asm volatile("ldtilecfg %0" : : "m"(config));
  for (; repetitions > 0; --repetitions) {
    const uint8_t *row = codes, *weight = weights;
    int64_t steps = tileSteps;
    asm volatile("1:\n"
                 "tileloadd (%1,%4), %%tmm6\n"
                 "tileloadd (%0,%3), %%tmm4\n"
                 "tdpbusd %%tmm6, %%tmm4, %%tmm0\n"
                 "tileloadd 64(%1,%4), %%tmm7\n"
                 "tdpbusd %%tmm7, %%tmm4, %%tmm1\n"
                 "tileloadd 6144(%0,%3), %%tmm5\n"
                 "tdpbusd %%tmm6, %%tmm5, %%tmm2\n"
                 "tdpbusd %%tmm7, %%tmm5, %%tmm3\n"
                 "add $64, %0\n"
                 "add $2048, %1\n"
                 "dec %2\n"
                 "jnz 1b\n"
                 : "+r"(row), "+r"(weight), "+r"(steps)
                 : "r"(int64_t(64 * tileSteps)), "r"(int64_t(128))
                 : "cc", "memory");
  }
  asm volatile("tilerelease");
}

struct Ceiling {
  const char *text;
  bool available;
  Loop loop;
  int macs; // of one repetition
};

/// Reads `bytes` again and again; the fastest pass, in bytes a nanosecond.
double readBandwidth(size_t bytes) {
  std::unique_ptr<uint8_t, decltype(&std::free)> memory(static_cast<uint8_t *>(std::aligned_alloc(64, bytes)),
                                                        std::free);
  if (!memory)
    return 0;
  std::fill_n(memory.get(), bytes, uint8_t(1));
  double best = 1e30;
  size_t passes = std::max<size_t>(1, (size_t(1) << 21) / bytes);
  for (int trial = 0; trial < 60; ++trial) {
    auto start = std::chrono::steady_clock::now();
    for (size_t pass = 0; pass < passes; ++pass) {
      const uint8_t *at = memory.get(), *end = at + bytes;
      asm volatile(
          "1:\n"
          "vmovdqa (%0), %%ymm0\nvmovdqa 32(%0), %%ymm1\nvmovdqa 64(%0), %%ymm2\nvmovdqa 96(%0), %%ymm3\n"
          "vmovdqa 128(%0), %%ymm4\nvmovdqa 160(%0), %%ymm5\nvmovdqa 192(%0), %%ymm6\nvmovdqa 224(%0), %%ymm7\n"
          "add $256, %0\n"
          "cmp %1, %0\n"
          "jb 1b\n"
          "vzeroupper\n"
          : "+r"(at)
          : "r"(end)
          : "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
    }
    std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
    best = std::min(best, time.count() / double(passes));
  }
  return double(bytes) / best;
}

} // namespace

int main() {
  __builtin_cpu_init();
  bool avx = __builtin_cpu_supports("avx"), avx2 = __builtin_cpu_supports("avx2");
  bool wide = __builtin_cpu_supports("avx512bw"), vnni = __builtin_cpu_supports("avx512vnni");
  bool vnniYmm = __builtin_cpu_supports("avxvnni"), tiles = tilesGranted();
  constexpr int tileMacs = 16 * 64 * 16;
  const Ceiling ceilings[] = {
      {"vpdpbusd zmm", vnni, dotZmm, chains * 64},
      {"vpdpbusd zmm, broadcast from memory", vnni, dotMemoryZmm, chains * 64},
      {"vpdpbusd ymm", vnniYmm || vnni, vnniYmm ? dotYmm : dotYmmEvex, chains * 32},
      {"vpmaddubsw + vpaddw zmm", wide, bytesZmm, chains * 64},
      {"vpmaddubsw + vpaddw ymm", avx2, bytesYmm, chains * 32},
      {"vpmaddwd + vpaddd zmm", wide, wordsZmm, chains * 32},
      {"vpmaddwd + vpaddd ymm", avx2, wordsYmm, chains * 16},
      {"vpmaddwd + vpaddd xmm", avx, wordsXmm, chains * 8},
      {"vpxord + vpopcntd + vpaddd zmm (1-bit MAC)", bool(__builtin_cpu_supports("avx512vpopcntdq")), popcountZmm,
       chains * 512},
      {"vpermb + vpdpbusd zmm (1-bit weights)", vnni && __builtin_cpu_supports("avx512vbmi"), tableZmm, chains * 256},
      {"vpermb + vpaddb zmm (1-bit weights)", bool(__builtin_cpu_supports("avx512vbmi")), sixTableZmm, chains * 384},
      {"vpshufb + vpaddb zmm (1-bit weights)", wide, bytesTableZmm, chains * 256},
      {"vpshufb + vpaddb ymm (1-bit weights)", avx2, bytesTableYmm, chains * 128},
      {"vpshufb + vpaddb xmm (1-bit weights)", avx, bytesTableXmm, chains * 64},
      {"vfmadd231ps zmm", wide, realZmm, chains * 16},
      {"vfmadd231ps ymm", bool(__builtin_cpu_supports("fma")), realYmm, chains * 8},
      {"tdpbusd", tiles, tileRegisters, 4 * tileSteps * tileMacs},
      {"tdpbusd, 2x2 tiles, operands from L1", tiles, tileBlock, 4 * tileSteps * tileMacs},
  };
  std::printf("%-44s %10s\n", "chain", "MAC/ns");
  for (const Ceiling &ceiling : ceilings)
    if (ceiling.available)
      std::printf("%-44s %10.1f\n", ceiling.text, ceiling.macs / bestOf(ceiling.loop));
  std::printf("\n%-44s %10s\n", "reads", "byte/ns");
  for (auto [text, bytes] : std::initializer_list<std::pair<const char *, size_t>>{
           {"16 KiB (L1)", 16 << 10}, {"512 KiB (L2)", 512 << 10}, {"8 MiB", 8 << 20}, {"512 MiB (memory)", 512 << 20}})
    if (avx)
      std::printf("%-44s %10.1f\n", text, readBandwidth(bytes));
  return 0;
}
