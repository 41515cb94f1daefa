#ifndef ANYBIT_LIB_ERROR_H
#define ANYBIT_LIB_ERROR_H

#include "anybit/runtime.h"

/* Stores the calling thread's sentence and returns `status`. Arguments may lie in the sentence itself. */
__attribute__((format(printf, 2, 3))) anybit_status anybit_fail(anybit_status status, const char *format, ...);

#endif /* ANYBIT_LIB_ERROR_H */
