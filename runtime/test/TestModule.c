#include "TestModule.h"

#include <stddef.h>
#include <string.h>

static void scale(void *const *arguments, int64_t begin, int64_t end, void *scratch) {
  const float *x = arguments[0], *c = arguments[1];
  float *product = arguments[2], *line = scratch;
  for (int64_t i = begin; i < end; ++i)
    line[i] = x[i] * *c;
  memcpy(product + begin, line + begin, (size_t)(end - begin) * sizeof(float));
}

static void shift(void *const *arguments, int64_t begin, int64_t end, void *scratch) {
  const float *product = arguments[0], *c = arguments[1];
  float *y = arguments[2];
  (void)scratch;
  for (int64_t i = begin; i < end; ++i)
    y[i] = product[i] + *c;
}

static const float kFactors[kTestCandidates] = {2, 3, 5};
static const anybit_kernel kKernels[2] = {{"scale", "elementwise", scale, kTestLength * sizeof(float)},
                                          {"shift", "elementwise", shift, 0}};

#define SCALE_ARGUMENTS(i)                                                                                             \
  {                                                                                                                    \
    {ANYBIT_ARGUMENT_INPUT, 0, 0, NULL}, {ANYBIT_ARGUMENT_CONSTANT, 0, (i) * sizeof(float), kFactors}, {               \
      ANYBIT_ARGUMENT_ARENA, 0, 0, NULL                                                                                \
    }                                                                                                                  \
  }
#define SHIFT_ARGUMENTS(i)                                                                                             \
  {                                                                                                                    \
    {ANYBIT_ARGUMENT_ARENA, 0, 0, NULL}, {ANYBIT_ARGUMENT_CONSTANT, 0, (i) * sizeof(float), kFactors}, {               \
      ANYBIT_ARGUMENT_OUTPUT, 0, 0, NULL                                                                               \
    }                                                                                                                  \
  }
static const anybit_argument kScaleArguments[kTestCandidates][3] = {SCALE_ARGUMENTS(0), SCALE_ARGUMENTS(1),
                                                                    SCALE_ARGUMENTS(2)};
static const anybit_argument kShiftArguments[kTestCandidates][3] = {SHIFT_ARGUMENTS(0), SHIFT_ARGUMENTS(1),
                                                                    SHIFT_ARGUMENTS(2)};
#define DISPATCHES(i)                                                                                                  \
  {{"product", kScaleArguments[i], 0, 3, kTestLength, 1, kTestLength}, {"sum", kShiftArguments[i], 1, 3, kTestLength, 1, 0}}
static const anybit_dispatch kDispatches[kTestCandidates][2] = {DISPATCHES(0), DISPATCHES(1), DISPATCHES(2)};

enum { kArenaBytes = kTestLength * sizeof(float) + ANYBIT_ALIGNMENT };
static const anybit_variant kVariants[kTestCandidates] = {{"w8a8", kDispatches[0], NULL, 2, 0, 4, 0, kArenaBytes, 0},
                                                          {"w4a4", kDispatches[1], NULL, 2, 0, 4, 0, kArenaBytes, 0},
                                                          {"w2a2", kDispatches[2], NULL, 2, 0, 4, 0, kArenaBytes, 0}};
static const anybit_tensor kInput = {"x", ANYBIT_FLOAT32, 2, {1, kTestLength}};
static const anybit_tensor kOutput = {"y", ANYBIT_FLOAT32, 2, {1, kTestLength}};

__attribute__((visibility("default"))) const anybit_module_descriptor anybit_test_module = {
    .magic = ANYBIT_ABI_MAGIC,
    .abi_major = ANYBIT_ABI_MAJOR,
    .abi_minor = ANYBIT_ABI_MINOR,
    .descriptor_bytes = sizeof(anybit_module_descriptor),
    .model = "test",
    .producer = "anybit test",
    .triple = "",
    .features = "",
    .inputs = &kInput,
    .outputs = &kOutput,
    .kernels = kKernels,
    .variants = kVariants,
    .input_count = 1,
    .output_count = 1,
    .kernel_count = 2,
    .variant_count = kTestCandidates,
    .arena_bytes = kArenaBytes,
    .scratch_bytes = kTestLength * sizeof(float),
};

struct note {
  uint32_t name_bytes, content_bytes, type;
  char name[8];
  anybit_file_note content;
};
__attribute__((section(".note.anybit"), used, aligned(8))) static const struct note kNote = {
    sizeof ANYBIT_NOTE_NAME, sizeof(anybit_file_note), ANYBIT_NOTE_TYPE, ANYBIT_NOTE_NAME, {0, 0, 0, 0, 0}};
