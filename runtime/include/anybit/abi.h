/* The contract between compiled artifacts and the runtime (docs/architecture.md, "A variant is a list of
   dispatches over one arena"). The compiler writes these structs as constants; the runtime walks them. Both sides
   include this file; nothing else crosses. C11, no dependencies.

   Versioning: `abi_major` changes when an old runtime would misread a new artifact, `abi_minor` when fields are
   added behind the old ones. Every struct is a multiple of 8 bytes with explicit padding; sizes are asserted at
   the end of this file. */
#ifndef ANYBIT_ABI_H
#define ANYBIT_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ANYBIT_ABI_MAJOR 3u
#define ANYBIT_ABI_MINOR 0u
#define ANYBIT_ABI_MAGIC UINT64_C(0x0154494259434e41) /* "ANCYBIT\1", little endian */
#define ANYBIT_MAX_RANK 8u
/* Arena, constants and scratch begin at multiples of this. Kernels may read, never write, up to this many bytes
   past the end of a buffer they were given, so every buffer in the arena is followed by as many bytes. */
#define ANYBIT_ALIGNMENT 64u
/* The data symbol that `open` looks up in a shared library. */
#define ANYBIT_MODULE_SYMBOL "anybit_module_descriptor"

/* A kernel computes the part [begin, end) of its grid. `arguments` are the pointers of the dispatch, in order;
   `scratch` is private to the calling thread, aligned, of the size the kernel states. */
typedef void (*anybit_kernel_function)(void *const *arguments, int64_t begin, int64_t end, void *scratch);

typedef enum anybit_element_type {
  ANYBIT_FLOAT32 = 1,
  ANYBIT_UINT8 = 2,
  ANYBIT_INT8 = 3,
  ANYBIT_INT32 = 6,
  ANYBIT_INT64 = 7,
  ANYBIT_BOOL = 9,
} anybit_element_type; /* the numbers of ONNX TensorProto.DataType */

typedef enum anybit_argument_kind {
  ANYBIT_ARGUMENT_ARENA = 0,    /* arena + offset */
  ANYBIT_ARGUMENT_CONSTANT = 1, /* constant + offset */
  ANYBIT_ARGUMENT_INPUT = 2,    /* inputs[index] + offset */
  ANYBIT_ARGUMENT_OUTPUT = 3,   /* outputs[index] + offset */
  ANYBIT_ARGUMENT_SLOT = 4,     /* master store: weight slot of the active candidate + offset */
} anybit_argument_kind;

typedef struct anybit_argument {
  uint32_t kind;  /* anybit_argument_kind */
  uint32_t index; /* of the input or output, else 0 */
  uint64_t offset;
  const void *constant; /* of kind CONSTANT, else NULL */
} anybit_argument;

typedef struct anybit_kernel {
  const char *name;   /* symbol */
  const char *family; /* for people: "conv-int8-vnni", "elementwise", ... */
  anybit_kernel_function function;
  uint64_t scratch_bytes; /* per thread */
} anybit_kernel;

typedef struct anybit_dispatch {
  const char *layer; /* ONNX node name, for profiles */
  const anybit_argument *arguments;
  uint32_t kernel; /* index into the module's kernels */
  uint32_t argument_count;
  int64_t grid;  /* the kernel is called for parts of [0, grid) */
  int64_t claim; /* the least of the grid that is worth a call on another thread; `grid`: the caller does all of it */
  uint64_t macs; /* multiply-accumulates, 0 for glue */
} anybit_dispatch;

/* One weight tensor of the master store: float16 values in order O, I/group, kh, kw. */
typedef struct anybit_master {
  const char *layer;
  const uint16_t *values;
  int64_t outputs, inputs, kernel_height, kernel_width; /* inputs: per group */
  int64_t groups;
  uint32_t layout;  /* anybit_band_layout, weights.h */
  uint32_t wavelet; /* anybit_wavelet, weights.h */
} anybit_master;

/* How one candidate fills its slot from one master tensor. */
typedef struct anybit_rebuild {
  uint32_t master; /* index into the module's masters */
  uint32_t format; /* anybit_weight_format, weights.h */
  uint16_t bits;   /* 1..8 */
  int16_t weight_zero; /* of UNSIGNED, else 0 */
  uint32_t scale_count; /* 1 or outputs */
  const float *scales;
  float alpha[4];         /* LL, LH, HL, HH */
  uint32_t column_block;  /* packing, weights.h */
  uint32_t storage_bits;  /* packing, weights.h */
  uint32_t taps_in_run;   /* packing, weights.h */
  int32_t input_zero;     /* correction, weights.h */
  uint32_t order;         /* packing, weights.h */
  uint32_t input_bits;    /* packing, weights.h */
  uint64_t weight_offset; /* in the slot: packed weights */
  uint64_t initial_offset; /* in the slot: int32 initial accumulators, padded to column blocks */
} anybit_rebuild;

typedef struct anybit_variant {
  const char *name; /* of the candidate */
  const anybit_dispatch *dispatches;
  const anybit_rebuild *rebuilds; /* master store, else NULL */
  uint32_t dispatch_count;
  uint32_t rebuild_count;
  uint64_t weight_bytes; /* constants its dispatches read, and its slot; shared ones count in every variant */
  uint64_t code_bytes;   /* machine code of its kernels; shared ones count in every variant */
  uint64_t arena_bytes;  /* high-water mark of this variant */
  uint64_t slot_bytes;   /* master store, else 0 */
} anybit_variant;

typedef struct anybit_tensor {
  const char *name;
  uint32_t element_type; /* anybit_element_type */
  uint32_t rank;
  int64_t dimensions[ANYBIT_MAX_RANK]; /* row-major, dense */
} anybit_tensor;

typedef struct anybit_module_descriptor {
  uint64_t magic;
  uint32_t abi_major, abi_minor;
  uint64_t descriptor_bytes; /* sizeof(anybit_module_descriptor) of the writer */
  const char *model;         /* name of the model */
  const char *producer;      /* "anybit X.Y.Z" */
  const char *triple;        /* "x86_64-unknown-linux-gnu" */
  const char *features;      /* needed CPU features, LLVM spellings, comma separated: "avx512f,avx512vnni" */
  const anybit_tensor *inputs;
  const anybit_tensor *outputs;
  const anybit_kernel *kernels;
  const anybit_variant *variants;
  const anybit_master *masters;
  uint32_t input_count, output_count, kernel_count, variant_count, master_count, reserved;
  uint64_t arena_bytes;   /* maximum over the variants */
  uint64_t scratch_bytes; /* maximum over the kernels, per thread */
  uint64_t slot_bytes;    /* maximum over the variants; two slots are needed */
  /* For people, `anybit inspect`: why a dispatch has the kernel that it has, one line for every dispatch of
     variant after variant, empty where there was nothing to choose. May be NULL. The runtime never reads it. */
  const char *choices;
} anybit_module_descriptor;
/* Of a writer of 3.0. */
#define ANYBIT_LEAST_DESCRIPTOR_BYTES 152u

/* In the section ".note.anybit" of a shared library (an ELF note, name "anybit", type 1), patched after linking:
   `open` verifies it before the file is handed to the dynamic loader. */
typedef struct anybit_file_note {
  uint64_t magic;
  uint32_t abi_major, abi_minor;
  uint64_t file_bytes; /* of the whole file */
  uint64_t checksum;   /* XXH3-64 of the whole file with this field as zero */
} anybit_file_note;
#define ANYBIT_NOTE_NAME "anybit"
#define ANYBIT_NOTE_TYPE 1u

#ifdef __cplusplus
#define ANYBIT_STATIC_ASSERT static_assert
#else
#define ANYBIT_STATIC_ASSERT _Static_assert
#endif
#if UINTPTR_MAX == UINT64_MAX
ANYBIT_STATIC_ASSERT(sizeof(anybit_argument) == 24, "abi");
ANYBIT_STATIC_ASSERT(sizeof(anybit_kernel) == 32, "abi");
ANYBIT_STATIC_ASSERT(sizeof(anybit_dispatch) == 48, "abi");
ANYBIT_STATIC_ASSERT(sizeof(anybit_master) == 64, "abi");
ANYBIT_STATIC_ASSERT(sizeof(anybit_rebuild) == 80, "abi");
ANYBIT_STATIC_ASSERT(sizeof(anybit_variant) == 64, "abi");
ANYBIT_STATIC_ASSERT(sizeof(anybit_tensor) == 80, "abi");
ANYBIT_STATIC_ASSERT(sizeof(anybit_module_descriptor) == 152, "abi");
ANYBIT_STATIC_ASSERT(sizeof(anybit_file_note) == 32, "abi");
#endif

#ifdef __cplusplus
}
#endif
#endif /* ANYBIT_ABI_H */
