#define _GNU_SOURCE
#include "cpu.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { kEax, kEbx, kEcx, kEdx };
/* Parts of XCR0. */
enum { kNoState = 0, kAvxState = 0x6, kAvx512State = 0xe6, kAmxState = 0x60006 };

typedef struct cpu_feature {
  const char *name;
  uint32_t leaf, subleaf;
  uint8_t output, bit;
  uint32_t state;
} cpu_feature;

static const cpu_feature kFeatures[] = {
    {"x87", 1, 0, kEdx, 0, kNoState},
    {"cx8", 1, 0, kEdx, 8, kNoState},
    {"cmov", 1, 0, kEdx, 15, kNoState},
    {"mmx", 1, 0, kEdx, 23, kNoState},
    {"fxsr", 1, 0, kEdx, 24, kNoState},
    {"sse", 1, 0, kEdx, 25, kNoState},
    {"sse2", 1, 0, kEdx, 26, kNoState},
    {"sse3", 1, 0, kEcx, 0, kNoState},
    {"pclmul", 1, 0, kEcx, 1, kNoState},
    {"ssse3", 1, 0, kEcx, 9, kNoState},
    {"fma", 1, 0, kEcx, 12, kAvxState},
    {"cx16", 1, 0, kEcx, 13, kNoState},
    {"sse4.1", 1, 0, kEcx, 19, kNoState},
    {"sse4.2", 1, 0, kEcx, 20, kNoState},
    {"crc32", 1, 0, kEcx, 20, kNoState},
    {"movbe", 1, 0, kEcx, 22, kNoState},
    {"popcnt", 1, 0, kEcx, 23, kNoState},
    {"aes", 1, 0, kEcx, 25, kNoState},
    {"xsave", 1, 0, kEcx, 27, kNoState},
    {"avx", 1, 0, kEcx, 28, kAvxState},
    {"f16c", 1, 0, kEcx, 29, kAvxState},
    {"sahf", 0x80000001u, 0, kEcx, 0, kNoState},
    {"lzcnt", 0x80000001u, 0, kEcx, 5, kNoState},
    {"prfchw", 0x80000001u, 0, kEcx, 8, kNoState},
    {"64bit", 0x80000001u, 0, kEdx, 29, kNoState},
    {"bmi", 7, 0, kEbx, 3, kNoState},
    {"avx2", 7, 0, kEbx, 5, kAvxState},
    {"bmi2", 7, 0, kEbx, 8, kNoState},
    {"avx512f", 7, 0, kEbx, 16, kAvx512State},
    {"avx512dq", 7, 0, kEbx, 17, kAvx512State},
    {"adx", 7, 0, kEbx, 19, kNoState},
    {"avx512ifma", 7, 0, kEbx, 21, kAvx512State},
    {"avx512cd", 7, 0, kEbx, 28, kAvx512State},
    {"sha", 7, 0, kEbx, 29, kNoState},
    {"avx512bw", 7, 0, kEbx, 30, kAvx512State},
    {"avx512vl", 7, 0, kEbx, 31, kAvx512State},
    {"avx512vbmi", 7, 0, kEcx, 1, kAvx512State},
    {"avx512vbmi2", 7, 0, kEcx, 6, kAvx512State},
    {"gfni", 7, 0, kEcx, 8, kNoState},
    {"vaes", 7, 0, kEcx, 9, kAvxState},
    {"vpclmulqdq", 7, 0, kEcx, 10, kAvxState},
    {"avx512vnni", 7, 0, kEcx, 11, kAvx512State},
    {"avx512bitalg", 7, 0, kEcx, 12, kAvx512State},
    {"avx512vpopcntdq", 7, 0, kEcx, 14, kAvx512State},
    {"avx512vp2intersect", 7, 0, kEdx, 8, kAvx512State},
    {"amx-bf16", 7, 0, kEdx, 22, kAmxState},
    {"avx512fp16", 7, 0, kEdx, 23, kAvx512State},
    {"amx-tile", 7, 0, kEdx, 24, kAmxState},
    {"amx-int8", 7, 0, kEdx, 25, kAmxState},
    {"avxvnni", 7, 1, kEax, 4, kAvxState},
    {"avx512bf16", 7, 1, kEax, 5, kAvx512State},
    {"avxifma", 7, 1, kEax, 23, kAvxState},
    {"avxvnniint8", 7, 1, kEdx, 4, kAvxState},
    {"avxvnniint16", 7, 1, kEdx, 10, kAvxState},
};

static uint32_t enabled_state(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) /* OSXSAVE */
    return 0;
  __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return a;
}

/* Linux gives tile registers only to processes that ask. */
static int request_tiles(void) {
  enum { kRequestPermission = 0x1023, kTileData = 18 };
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

static int has_feature(const char *name, size_t length) {
  for (size_t i = 0; i < sizeof kFeatures / sizeof *kFeatures; ++i) {
    const cpu_feature *feature = &kFeatures[i];
    if (strlen(feature->name) != length || memcmp(feature->name, name, length) != 0)
      continue;
    uint32_t registers[4];
    if (!__get_cpuid_count(feature->leaf, feature->subleaf, &registers[kEax], &registers[kEbx], &registers[kEcx],
                           &registers[kEdx]))
      return 0;
    if (!(registers[feature->output] >> feature->bit & 1) || (enabled_state() & feature->state) != feature->state)
      return 0;
    return feature->state != kAmxState || request_tiles();
  }
  return 0;
}
#else
/* What every machine of the architecture has. */
static const char *const kBaseline[] = {
#if defined(__aarch64__)
    "neon", "fp-armv8",
#elif defined(__riscv)
    "64bit", "i", "m", "a", "f", "d", "c", "zicsr", "zifencei",
#endif
    ""};

static int has_feature(const char *name, size_t length) {
  for (size_t i = 0; i < sizeof kBaseline / sizeof *kBaseline; ++i)
    if (strlen(kBaseline[i]) == length && memcmp(kBaseline[i], name, length) == 0)
      return 1;
  return 0;
}
#endif

size_t anybit_missing_cpu_features(const char *features, char *missing, size_t missing_bytes) {
  size_t count = 0, used = 0;
  missing[0] = '\0';
  while (*features) {
    size_t length = strcspn(features, ",");
    if (length && !has_feature(features, length)) {
      if (used < missing_bytes)
        used +=
            (size_t)snprintf(missing + used, missing_bytes - used, "%s%.*s", count ? ", " : "", (int)length, features);
      ++count;
    }
    features += length + (features[length] == ',');
  }
  return count;
}
