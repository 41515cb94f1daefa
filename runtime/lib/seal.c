#include "anybit/seal.h"

#include "artifact_file.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static anybit_status write_note(const anybit_artifact_file *file, const anybit_file_note *note) {
  for (size_t done = 0; done < sizeof *note;) {
    ssize_t put =
        pwrite(file->descriptor, (const char *)note + done, sizeof *note - done, (off_t)(file->note_offset + done));
    if (put < 0 && errno == EINTR)
      continue;
    if (put <= 0)
      return anybit_fail(ANYBIT_IO_ERROR, "cannot write '%s': %s", file->path, strerror(errno));
    done += (size_t)put;
  }
  return ANYBIT_OK;
}

anybit_status anybit_seal_file(const char *path) {
  if (!path)
    return anybit_fail(ANYBIT_INVALID_ARGUMENT, "the path is null");
  anybit_artifact_file file;
  anybit_status status = anybit_artifact_file_open(path, O_RDWR, &file);
  if (status != ANYBIT_OK)
    return status;
  anybit_file_note note = {ANYBIT_ABI_MAGIC, ANYBIT_ABI_MAJOR, ANYBIT_ABI_MINOR, file.bytes, 0};
  status = write_note(&file, &note);
  if (status == ANYBIT_OK)
    status = anybit_artifact_file_checksum(&file, &note.checksum);
  if (status == ANYBIT_OK)
    status = write_note(&file, &note);
  anybit_artifact_file_close(&file);
  return status;
}
