/* Compiled as C11 with every warning an error: the public headers are C. */
#include "anybit/runtime.h"
#include "anybit/seal.h"
#include "anybit/weights.h"

anybit_status anybit_header_test(anybit_session_options *options);
anybit_status anybit_header_test(anybit_session_options *options) {
  options->size = sizeof *options;
  return ANYBIT_OK;
}
