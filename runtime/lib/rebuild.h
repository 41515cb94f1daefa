/* Filling a weight slot from the master store, in units that threads share out. A unit is one column block of one
   tensor; with db2, which mixes a plane as a whole, one group. */
#ifndef ANYBIT_LIB_REBUILD_H
#define ANYBIT_LIB_REBUILD_H

#include "anybit/abi.h"
#include "anybit/weights.h"

/* How a rebuild packs. */
anybit_packing anybit_rebuild_packing(const anybit_rebuild *rebuild);

/* Units of a candidate. */
int64_t anybit_rebuild_units(const anybit_module_descriptor *module, uint32_t candidate);

/* Does unit `unit`. `scratch` is aligned and has anybit_rebuild_scratch bytes for each rebuild of the candidate. The
   caller has entered the floating-point environment. */
void anybit_rebuild_unit(const anybit_module_descriptor *module, uint32_t candidate, int64_t unit, uint8_t *slot,
                         void *scratch);

/* Bytes of scratch for a validated rebuild. */
uint64_t anybit_rebuild_scratch(const anybit_master *master, const anybit_rebuild *rebuild);

#endif /* ANYBIT_LIB_REBUILD_H */
