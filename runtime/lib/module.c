#define _GNU_SOURCE
#include "module.h"

#include "artifact_file.h"
#include "error.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The loader takes a path under which it has opened a library before for that library, until it unloads it; descriptors
   are used again. So each path is spelled in another way: the bits of a serial number are "/" and "/.". */
enum { kSerialBits = 64, kPathBytes = 32 + 2 * kSerialBits };
static void spell_path(int descriptor, char path[kPathBytes]) {
  static _Atomic uint64_t opened;
  uint64_t serial = atomic_fetch_add_explicit(&opened, 1, memory_order_relaxed);
  int length = snprintf(path, kPathBytes, "/proc/self/fd");
  for (int bit = 0; bit < kSerialBits; ++bit)
    length += snprintf(path + length, (size_t)(kPathBytes - length), serial >> bit & 1 ? "/." : "/");
  snprintf(path + length, (size_t)(kPathBytes - length), "/%d", descriptor);
}

/* Loads the file that was checked, not whatever its path names by now. */
static anybit_status load(const anybit_artifact_file *file, anybit_module *module) {
  char path[kPathBytes];
  spell_path(file->descriptor, path);
  module->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!module->library)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s' cannot be loaded: %s", file->path, dlerror());
  module->descriptor = dlsym(module->library, ANYBIT_MODULE_SYMBOL);
  if (!module->descriptor)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT, "'%s' does not define the symbol '%s'", file->path,
                       ANYBIT_MODULE_SYMBOL);
  return anybit_validate(module->descriptor, file->path, &module->needs);
}

anybit_status anybit_module_open(const char *path, anybit_module **out) {
  if (!out)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the pointer for the module is null");
  *out = NULL;
  if (!path)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the path is null");
  anybit_artifact_file file;
  anybit_status status = anybit_artifact_file_open(path, O_RDONLY, &file);
  if (status != ANYBIT_OK)
    return status;
  anybit_module *module = calloc(1, sizeof *module);
  if (!module)
    status = anybit_fail(ANYBIT_OUT_OF_MEMORY, "no memory for a module (%zu bytes)", sizeof *module);
  if (status == ANYBIT_OK)
    status = anybit_artifact_file_verify(&file);
  if (status == ANYBIT_OK)
    status = load(&file, module);
  anybit_artifact_file_close(&file);
  if (status == ANYBIT_OK)
    *out = module;
  else
    anybit_module_close(module);
  return status;
}

anybit_status anybit_module_wrap(const anybit_module_descriptor *linked_in, anybit_module **out) {
  if (!out)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the pointer for the module is null");
  *out = NULL;
  if (!linked_in)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the descriptor is null");
  anybit_module_needs needs;
  anybit_status status = anybit_validate(linked_in, "linked-in module", &needs);
  if (status != ANYBIT_OK)
    return status;
  anybit_module *module = calloc(1, sizeof *module);
  if (!module)
    return anybit_fail(ANYBIT_OUT_OF_MEMORY, "no memory for a module (%zu bytes)", sizeof *module);
  *module = (anybit_module){linked_in, needs, NULL};
  *out = module;
  return ANYBIT_OK;
}

void anybit_module_close(anybit_module *module) {
  if (!module)
    return;
  if (module->library)
    dlclose(module->library);
  free(module);
}

const anybit_module_descriptor *anybit_module_descriptor_of(const anybit_module *module) {
  return module ? module->descriptor : NULL;
}

int32_t anybit_module_find_candidate(const anybit_module *module, const char *name) {
  if (!module || !name)
    return -1;
  for (uint32_t i = 0; i < module->descriptor->variant_count; ++i)
    if (strcmp(module->descriptor->variants[i].name, name) == 0)
      return (int32_t)i;
  return -1;
}
