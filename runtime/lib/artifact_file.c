#include "artifact_file.h"

#include "error.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#if defined(__x86_64__)
#define ANYBIT_HOST_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define ANYBIT_HOST_MACHINE EM_AARCH64
#elif defined(__riscv)
#define ANYBIT_HOST_MACHINE EM_RISCV
#else
#error "name this machine's ELF number"
#endif

static int inside(const anybit_artifact_file *file, uint64_t offset, uint64_t count) {
  return offset <= file->bytes && count <= file->bytes - offset;
}

static anybit_status bad(const anybit_artifact_file *file, const char *what) {
  return anybit_fail(ANYBIT_INVALID_ARTIFACT,
                     "'%s' is not a whole artifact: %s (the file has %" PRIu64 " bytes); compile the model again",
                     file->path, what, file->bytes);
}

anybit_status anybit_artifact_file_read(const anybit_artifact_file *file, uint64_t offset, void *to, size_t count) {
  if (!inside(file, offset, count))
    return bad(file, "a part lies behind its end");
  for (size_t done = 0; done < count;) {
    ssize_t got = pread(file->descriptor, (char *)to + done, count - done, (off_t)(offset + done));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return anybit_fail(ANYBIT_IO_ERROR, "cannot read '%s': %s", file->path,
                         got < 0 ? strerror(errno) : "it became shorter while it was read");
    done += (size_t)got;
  }
  return ANYBIT_OK;
}

/* Looks for the note among the notes in [offset, offset + count); note_offset stays 0 if it is not there. */
static anybit_status find_in_notes(anybit_artifact_file *file, uint64_t offset, uint64_t count, uint64_t align) {
  uint64_t end = offset + count, unit = align == 8 ? 8 : 4;
  while (file->note_offset == 0 && end - offset >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr note;
    anybit_status status = anybit_artifact_file_read(file, offset, &note, sizeof note);
    if (status != ANYBIT_OK)
      return status;
    uint64_t content = (sizeof note + note.n_namesz + unit - 1) / unit * unit;
    uint64_t whole = (content + note.n_descsz + unit - 1) / unit * unit;
    if (content + note.n_descsz > end - offset)
      return bad(file, "a note is longer than its section");
    char name[sizeof ANYBIT_NOTE_NAME];
    if (note.n_namesz == sizeof name && note.n_type == ANYBIT_NOTE_TYPE && note.n_descsz == sizeof(anybit_file_note)) {
      status = anybit_artifact_file_read(file, offset + sizeof note, name, sizeof name);
      if (status != ANYBIT_OK)
        return status;
      if (memcmp(name, ANYBIT_NOTE_NAME, sizeof name) == 0)
        file->note_offset = offset + content;
    }
    offset = whole < end - offset ? offset + whole : end;
  }
  return ANYBIT_OK;
}

static anybit_status check_header(const anybit_artifact_file *file, const Elf64_Ehdr *header) {
  if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
    return bad(file, "it is no ELF file");
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_type != ET_DYN)
    return bad(file, "it is no 64-bit little-endian shared library");
  if (header->e_machine != ANYBIT_HOST_MACHINE)
    return anybit_fail(
        ANYBIT_INVALID_ARTIFACT,
        "'%s' is for another machine (ELF machine %u, this one is %u); compile the model for this target", file->path,
        header->e_machine, ANYBIT_HOST_MACHINE);
  if (header->e_phentsize != sizeof(Elf64_Phdr) || !inside(file, header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr)))
    return bad(file, "its program headers lie behind its end");
  if (header->e_shnum && (header->e_shentsize != sizeof(Elf64_Shdr) ||
                          !inside(file, header->e_shoff, header->e_shnum * sizeof(Elf64_Shdr))))
    return bad(file, "its section headers lie behind its end");
  return ANYBIT_OK;
}

/* What a segment or a section of the file must fulfil; one of notes may hold ours. */
static anybit_status check_extent(anybit_artifact_file *file, uint64_t offset, uint64_t count, int has_notes,
                                  uint64_t align, const char *outside) {
  if (!inside(file, offset, count))
    return bad(file, outside);
  return has_notes ? find_in_notes(file, offset, count, align) : ANYBIT_OK;
}

static anybit_status scan_segments(anybit_artifact_file *file, const Elf64_Ehdr *header) {
  anybit_status status = ANYBIT_OK;
  for (uint32_t i = 0; status == ANYBIT_OK && i < header->e_phnum; ++i) {
    Elf64_Phdr segment;
    status = anybit_artifact_file_read(file, header->e_phoff + i * sizeof segment, &segment, sizeof segment);
    if (status == ANYBIT_OK)
      status = check_extent(file, segment.p_offset, segment.p_filesz, segment.p_type == PT_NOTE, segment.p_align,
                            "a segment lies behind its end");
  }
  return status;
}

static anybit_status scan_sections(anybit_artifact_file *file, const Elf64_Ehdr *header) {
  anybit_status status = ANYBIT_OK;
  for (uint32_t i = 0; status == ANYBIT_OK && i < header->e_shnum; ++i) {
    Elf64_Shdr section;
    status = anybit_artifact_file_read(file, header->e_shoff + i * sizeof section, &section, sizeof section);
    if (status == ANYBIT_OK && section.sh_type != SHT_NULL && section.sh_type != SHT_NOBITS)
      status = check_extent(file, section.sh_offset, section.sh_size, section.sh_type == SHT_NOTE, section.sh_addralign,
                            "a section lies behind its end");
  }
  return status;
}

static anybit_status find_note(anybit_artifact_file *file) {
  Elf64_Ehdr header;
  if (file->bytes < sizeof header)
    return bad(file, "it is shorter than an ELF header");
  anybit_status status = anybit_artifact_file_read(file, 0, &header, sizeof header);
  if (status == ANYBIT_OK)
    status = check_header(file, &header);
  if (status == ANYBIT_OK)
    status = scan_segments(file, &header);
  if (status == ANYBIT_OK)
    status = scan_sections(file, &header);
  if (status == ANYBIT_OK && file->note_offset == 0)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT,
                       "'%s' is a shared library without the anybit note; give a file that 'anybit compile' wrote",
                       file->path);
  return status;
}

anybit_status anybit_artifact_file_open(const char *path, int flags, anybit_artifact_file *file) {
  /* O_NONBLOCK: a FIFO would block here for ever. */
  int descriptor = open(path, flags | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return anybit_fail(ANYBIT_IO_ERROR, "cannot open '%s': %s", path, strerror(errno));
  struct stat properties;
  anybit_status status = ANYBIT_OK;
  if (fstat(descriptor, &properties) != 0)
    status = anybit_fail(ANYBIT_IO_ERROR, "cannot inspect '%s': %s", path, strerror(errno));
  else if (!S_ISREG(properties.st_mode))
    status = anybit_fail(ANYBIT_INVALID_ARTIFACT,
                         "'%s' is not a regular file; give the file that 'anybit compile' wrote", path);
  if (status == ANYBIT_OK) {
    *file = (anybit_artifact_file){descriptor, path, (uint64_t)properties.st_size, 0};
    status = find_note(file);
  }
  if (status != ANYBIT_OK)
    close(descriptor);
  return status;
}

void anybit_artifact_file_close(anybit_artifact_file *file) { close(file->descriptor); }

anybit_status anybit_artifact_file_checksum(const anybit_artifact_file *file, uint64_t *checksum) {
  uint64_t field = file->note_offset + offsetof(anybit_file_note, checksum);
  unsigned char chunk[32768];
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  for (uint64_t offset = 0; offset < file->bytes;) {
    uint64_t left = file->bytes - offset, count = left < sizeof chunk ? left : sizeof chunk;
    anybit_status status = anybit_artifact_file_read(file, offset, chunk, (size_t)count);
    if (status != ANYBIT_OK)
      return status;
    for (uint64_t byte = field; byte < field + sizeof(uint64_t); ++byte)
      if (byte >= offset && byte < offset + count)
        chunk[byte - offset] = 0;
    XXH3_64bits_update(&state, chunk, (size_t)count);
    offset += count;
  }
  *checksum = XXH3_64bits_digest(&state);
  return ANYBIT_OK;
}

anybit_status anybit_artifact_file_verify(const anybit_artifact_file *file) {
  anybit_file_note note;
  anybit_status status = anybit_artifact_file_read(file, file->note_offset, &note, sizeof note);
  if (status != ANYBIT_OK)
    return status;
  if (note.magic != ANYBIT_ABI_MAGIC)
    return bad(file, "its note was never sealed");
  if (note.abi_major != ANYBIT_ABI_MAJOR)
    return anybit_fail(ANYBIT_INCOMPATIBLE_ABI, "'%s' was made for ABI %u.%u, this runtime has ABI %u.%u; %s",
                       file->path, note.abi_major, note.abi_minor, ANYBIT_ABI_MAJOR, ANYBIT_ABI_MINOR,
                       note.abi_major > ANYBIT_ABI_MAJOR ? "update the runtime" : "compile the model again");
  if (note.file_bytes != file->bytes)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT,
                       "'%s' has %" PRIu64 " bytes, its note says %" PRIu64 "; copy or compile it again", file->path,
                       file->bytes, note.file_bytes);
  uint64_t checksum;
  status = anybit_artifact_file_checksum(file, &checksum);
  if (status != ANYBIT_OK)
    return status;
  if (checksum != note.checksum)
    return anybit_fail(ANYBIT_INVALID_ARTIFACT,
                       "'%s' was altered: its checksum is %016" PRIx64 ", its note says %016" PRIx64
                       "; copy or compile it again",
                       file->path, checksum, note.checksum);
  return ANYBIT_OK;
}
