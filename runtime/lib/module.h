#ifndef ANYBIT_LIB_MODULE_H
#define ANYBIT_LIB_MODULE_H

#include "anybit/runtime.h"

/* What a session must reserve, found while the descriptor is validated. */
typedef struct anybit_module_needs {
  uint32_t arguments;       /* the most of a dispatch */
  uint64_t rebuild_scratch; /* bytes, per thread that rebuilds */
} anybit_module_needs;

struct anybit_module {
  const anybit_module_descriptor *descriptor;
  anybit_module_needs needs;
  void *library; /* NULL if linked in */
};

/* Checks every index, offset, size and name that the runtime or a rebuild will rely on, and the CPU features. `origin`
   names the artifact in messages. */
anybit_status anybit_validate(const anybit_module_descriptor *module, const char *origin, anybit_module_needs *needs);

/* Checks the master store: masters and, per variant, rebuilds. Updates needs->rebuild_scratch. */
anybit_status anybit_validate_masters(const anybit_module_descriptor *module, const char *origin,
                                      anybit_module_needs *needs);

#endif /* ANYBIT_LIB_MODULE_H */
