#include "Decoders.h"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <jpeglib.h>

#include <jerror.h>

namespace anybit::data {

/// Progressive pictures of a few kilobytes can carry thousands of scans, each of which costs a pass over the picture.
constexpr int maxScans = 256;

namespace {

struct Decoder {
  jpeg_decompress_struct state; // first: the library hands back a pointer to it
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  jmp_buf escape;
  DecodedImage *image;
  uint8_t *row;
};

} // namespace

static Decoder *decoderOf(j_common_ptr state) { return reinterpret_cast<Decoder *>(state); }

[[noreturn]] static void fail(j_common_ptr state) {
  char text[JMSG_LENGTH_MAX];
  state->err->format_message(state, text);
  snprintf(decoderOf(state)->image->message, sizeof(DecodedImage::message), "%s", text);
  longjmp(decoderOf(state)->escape, 1);
}

/// The library goes on with gray pixels when data end early; a calibration picture must not.
static void onMessage(j_common_ptr state, int level) {
  int code = state->err->msg_code;
  if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER))
    fail(state);
}

static void onProgress(j_common_ptr state) {
  if (!state->is_decompressor || reinterpret_cast<j_decompress_ptr>(state)->input_scan_number <= maxScans)
    return;
  snprintf(decoderOf(state)->image->message, sizeof(DecodedImage::message), "more than %d scans", maxScans);
  longjmp(decoderOf(state)->escape, 1);
}

static uint8_t multiplied(unsigned a, unsigned b) { return static_cast<uint8_t>((a * b + 127) / 255); }

/// Adobe's files have the inks inverted, which is what every program writes.
static void cmykToRgb(const uint8_t *cmyk, uint8_t *rgb, int64_t width, bool inverted) {
  unsigned flip = inverted ? 0 : 255;
  for (int64_t x = 0; x < width; ++x, cmyk += 4, rgb += 3)
    for (int c = 0; c < 3; ++c)
      rgb[c] = multiplied(cmyk[c] ^ flip, cmyk[3] ^ flip);
}

/// Everything that may jump.
static void decode(Decoder *decoder, const uint8_t *bytes, size_t size) {
  j_decompress_ptr state = &decoder->state;
  DecodedImage *image = decoder->image;
  jpeg_create_decompress(state);
  state->progress = &decoder->progress;
  jpeg_mem_src(state, bytes, size);
  jpeg_read_header(state, TRUE);
  if (!allocateImage(state->image_width, state->image_height, image))
    longjmp(decoder->escape, 1);
  bool inks = state->num_components == 4;
  state->out_color_space = inks ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(state);
  if (inks)
    decoder->row = static_cast<uint8_t *>(malloc(size_t(image->width) * 4));
  if (inks && !decoder->row) {
    snprintf(image->message, sizeof(image->message), "no memory for a row");
    longjmp(decoder->escape, 1);
  }
  while (state->output_scanline < state->output_height) {
    uint8_t *target = image->rgb + size_t(state->output_scanline) * image->width * 3;
    uint8_t *row = decoder->row ? decoder->row : target;
    jpeg_read_scanlines(state, &row, 1);
    if (inks)
      cmykToRgb(row, target, image->width, state->saw_Adobe_marker);
  }
  jpeg_finish_decompress(state);
}

bool decodeJpeg(const uint8_t *bytes, size_t size, DecodedImage *image) {
  Decoder decoder;
  memset(&decoder, 0, sizeof(decoder));
  decoder.image = image;
  decoder.state.err = jpeg_std_error(&decoder.errors);
  decoder.errors.error_exit = fail;
  decoder.errors.emit_message = onMessage;
  decoder.progress.progress_monitor = onProgress;
  bool jumped = setjmp(decoder.escape) != 0;
  if (!jumped)
    decode(&decoder, bytes, size);
  jpeg_destroy_decompress(&decoder.state);
  free(decoder.row);
  return !jumped;
}

} // namespace anybit::data
