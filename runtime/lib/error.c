#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { kSentenceBytes = 1024 };
static _Thread_local char sentence[kSentenceBytes];

anybit_status anybit_fail(anybit_status status, const char *format, ...) {
  char text[kSentenceBytes];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  memcpy(sentence, text, sizeof text);
  return status;
}

const char *anybit_last_error(void) { return sentence; }

const char *anybit_status_name(anybit_status status) {
  switch (status) {
  case ANYBIT_OK:
    return "ok";
  case ANYBIT_INVALID_ARGUMENT:
    return "invalid argument";
  case ANYBIT_INVALID_ARTIFACT:
    return "invalid artifact";
  case ANYBIT_INCOMPATIBLE_ABI:
    return "incompatible abi";
  case ANYBIT_UNSUPPORTED_CPU:
    return "unsupported cpu";
  case ANYBIT_OUT_OF_MEMORY:
    return "out of memory";
  case ANYBIT_IO_ERROR:
    return "io error";
  case ANYBIT_INTERNAL:
    return "internal";
  }
  return "unknown status";
}
