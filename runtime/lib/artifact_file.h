/* What may be said about an artifact's file without executing it: its ELF extents, its note and its checksum. Nothing
   is mapped, so a file that shrinks meanwhile is an error, not a SIGBUS. */
#ifndef ANYBIT_LIB_ARTIFACT_FILE_H
#define ANYBIT_LIB_ARTIFACT_FILE_H

#include "anybit/runtime.h"

typedef struct anybit_artifact_file {
  int descriptor;
  const char *path; /* for messages */
  uint64_t bytes;
  uint64_t note_offset; /* of the anybit_file_note */
} anybit_artifact_file;

/* Opens a regular file with the flags of open(2) and finds its note. On failure nothing stays open. */
anybit_status anybit_artifact_file_open(const char *path, int flags, anybit_artifact_file *file);

void anybit_artifact_file_close(anybit_artifact_file *file);

/* Reads [offset, offset + count), which must lie in the file. */
anybit_status anybit_artifact_file_read(const anybit_artifact_file *file, uint64_t offset, void *to, size_t count);

/* XXH3-64 of the whole file with the note's checksum as zero. */
anybit_status anybit_artifact_file_checksum(const anybit_artifact_file *file, uint64_t *checksum);

/* Compares the note with this runtime and with the file. */
anybit_status anybit_artifact_file_verify(const anybit_artifact_file *file);

#endif /* ANYBIT_LIB_ARTIFACT_FILE_H */
