#ifndef ANYBIT_RUNTIME_PACK_PLANES_H
#define ANYBIT_RUNTIME_PACK_PLANES_H

#include "anybit/weights.h"

/* Bytes of one column block in ANYBIT_ORDER_PLANES. */
int64_t anybit_plane_block_bytes(const anybit_weight_shape *shape, const anybit_packing *packing);

/* Fills the zeroed words of one column block from the codes of its `columns` outputs. */
void anybit_pack_plane_block(const anybit_weight_shape *shape, const anybit_packing *packing, const int16_t *codes,
                             int64_t columns, uint32_t *words);

#endif /* ANYBIT_RUNTIME_PACK_PLANES_H */
