/* A hand-made packed module: y = x * c + c over 64 floats, c = 2, 3, 5 for the candidates w8a8, w4a4, w2a2. */
#ifndef ANYBIT_TEST_TEST_MODULE_H
#define ANYBIT_TEST_TEST_MODULE_H

#include "anybit/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { kTestLength = 64, kTestCandidates = 3 };

/* The exported symbol carries the name of its type, which C cannot spell as a variable. */
extern const anybit_module_descriptor anybit_test_module __asm__(ANYBIT_MODULE_SYMBOL);

#ifdef __cplusplus
}
#endif
#endif /* ANYBIT_TEST_TEST_MODULE_H */
