#include "Decoders.h"

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <png.h>

namespace anybit::data {

namespace {

struct Reader {
  const uint8_t *next;
  size_t left;
  png_structp state;
  png_infop info;
  DecodedImage *image;
  jmp_buf escape;
};

} // namespace

[[noreturn]] static void fail(png_structp state, png_const_charp text) {
  auto *reader = static_cast<Reader *>(png_get_error_ptr(state));
  snprintf(reader->image->message, sizeof(DecodedImage::message), "%s", text);
  longjmp(reader->escape, 1);
}

static void ignore(png_structp, png_const_charp) {}

static void readBytes(png_structp state, png_bytep target, size_t size) {
  auto *reader = static_cast<Reader *>(png_get_io_ptr(state));
  if (size > reader->left)
    png_error(state, "the data end early (truncated)");
  memcpy(target, reader->next, size);
  reader->next += size;
  reader->left -= size;
}

/// Any kind of PNG to 8-bit RGB; without alpha and without gamma, which Pillow ignores, too.
static void requestRgb(png_structp state) {
  png_set_expand(state);
  png_set_scale_16(state);
  png_set_gray_to_rgb(state);
  png_set_strip_alpha(state);
}

/// Everything that may jump.
static void decode(Reader *reader) {
  png_structp state = reader->state;
  png_set_read_fn(state, reader, readBytes);
  png_set_chunk_malloc_max(state, 1 << 23);
  png_set_chunk_cache_max(state, 128);
  png_read_info(state, reader->info);
  if (!allocateImage(png_get_image_width(state, reader->info), png_get_image_height(state, reader->info),
                     reader->image))
    longjmp(reader->escape, 1);
  requestRgb(state);
  int passes = png_set_interlace_handling(state);
  png_read_update_info(state, reader->info);
  size_t rowBytes = size_t(reader->image->width) * 3;
  if (png_get_rowbytes(state, reader->info) != rowBytes)
    png_error(state, "the pixels do not become 8-bit RGB");
  for (int pass = 0; pass < passes; ++pass)
    for (int64_t y = 0; y < reader->image->height; ++y)
      png_read_row(state, reader->image->rgb + size_t(y) * rowBytes, nullptr);
  png_read_end(state, nullptr);
}

bool decodePng(const uint8_t *bytes, size_t size, DecodedImage *image) {
  Reader reader;
  memset(&reader, 0, sizeof(reader));
  reader.next = bytes;
  reader.left = size;
  reader.image = image;
  bool jumped = setjmp(reader.escape) != 0;
  if (!jumped) {
    reader.state = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, fail, ignore);
    reader.info = reader.state ? png_create_info_struct(reader.state) : nullptr;
    if (reader.info)
      decode(&reader);
    else
      snprintf(image->message, sizeof(image->message), "libpng cannot start");
  }
  bool done = !jumped && reader.info;
  png_destroy_read_struct(&reader.state, &reader.info, nullptr);
  return done;
}

} // namespace anybit::data
