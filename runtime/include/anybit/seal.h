/* The last step of making a shared-library artifact: after linking, the note that `anybit_module_open` checks. */
#ifndef ANYBIT_SEAL_H
#define ANYBIT_SEAL_H

#include "anybit/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes ABI, length and checksum into the note ".note.anybit" of the ELF file, which must already hold one (name
   ANYBIT_NOTE_NAME, type ANYBIT_NOTE_TYPE, sizeof(anybit_file_note) bytes of any content). Sealing twice is allowed.
   The sentence of a failure is anybit_last_error(). Errors: INVALID_ARGUMENT, INVALID_ARTIFACT, IO_ERROR. */
ANYBIT_API anybit_status anybit_seal_file(const char *path);

#ifdef __cplusplus
}
#endif
#endif /* ANYBIT_SEAL_H */
