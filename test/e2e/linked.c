/* linked FILE: runs the linked-in model MODEL at every candidate on the input in FILE and writes the outputs, one after
   another, to standard output. The sizes of the header must be those of the descriptor. */
#include HEADER

#include "anybit/runtime.h"

#include <stdio.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define DESCRIPTOR JOIN(anybit_, MODEL)
#define SIZE(candidate, what) JOIN(JOIN(ANYBIT_, MACRO), _##candidate##_##what)
#define TOTAL(what) JOIN(JOIN(ANYBIT_, MACRO), _##what)

typedef struct sizes {
  const char *name;
  unsigned index;
  uint64_t weights, code, arena;
} sizes;

#define ROW(name, macro)                                                                                               \
  { name, SIZE(macro, INDEX), SIZE(macro, WEIGHT_BYTES), SIZE(macro, CODE_BYTES), SIZE(macro, ARENA_BYTES) }
static const sizes table[] = {ROW("w8a8", W8A8), ROW("w4a4", W4A4), ROW("w2a2", W2A2)};

static int check_sizes(void) {
  uint64_t weights = 0, code = 0;
  for (unsigned i = 0; i < DESCRIPTOR.variant_count; ++i) {
    const anybit_variant *variant = &DESCRIPTOR.variants[table[i].index];
    if (variant->weight_bytes != table[i].weights || variant->code_bytes != table[i].code ||
        variant->arena_bytes != table[i].arena || variant->code_bytes == 0 || variant->weight_bytes == 0)
      return fprintf(stderr, "the header's sizes of %s are not those of the descriptor\n", table[i].name);
    weights += variant->weight_bytes;
    code += variant->code_bytes;
  }
  if (DESCRIPTOR.arena_bytes != TOTAL(ARENA_BYTES) || TOTAL(CODE_BYTES) > code)
    return fprintf(stderr, "the header's totals do not fit its candidates\n");
  fprintf(stderr, "%llu %llu %llu\n", (unsigned long long)TOTAL(WEIGHT_BYTES), (unsigned long long)TOTAL(CODE_BYTES),
          (unsigned long long)weights);
  return 0;
}

int main(int count, char **arguments) {
  static char input[1 << 20], output[1 << 16];
  anybit_module *module;
  anybit_session *session;
  FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
  if (!file || !fread(input, 1, sizeof input, file) || check_sizes())
    return 2;
  fclose(file);
  if (anybit_module_wrap(&DESCRIPTOR, &module) || anybit_session_create(module, NULL, &session))
    return fprintf(stderr, "%s\n", anybit_last_error()), 1;
  const void *inputs[] = {input};
  void *outputs[] = {output};
  for (unsigned i = 0; i < sizeof table / sizeof *table; ++i) {
    if (anybit_session_set_candidate_by_name(session, table[i].name) || anybit_session_prepare(session) ||
        anybit_session_run(session, inputs, outputs))
      return fprintf(stderr, "%s\n", anybit_last_error()), 1;
    fwrite(output, 1, anybit_tensor_bytes(DESCRIPTOR.outputs), stdout);
  }
  anybit_session_destroy(session);
  anybit_module_close(module);
  return 0;
}
