/* The two picture decoders. Their libraries report errors by longjmp, so these functions hold nothing that needs a
   destructor; the callers own the memory that they return. */
#ifndef ANYBIT_LIB_DATA_DECODERS_H
#define ANYBIT_LIB_DATA_DECODERS_H

#include <cstddef>
#include <cstdint>

namespace anybit::data {

struct DecodedImage {
  int64_t width;
  int64_t height;
  uint8_t *rgb;      ///< malloc'ed, 3 * width * height bytes; the caller frees it, also after an error.
  char message[256]; ///< Why decoding failed.
};

/// Both return false and set `message` on an error.
bool decodeJpeg(const uint8_t *bytes, size_t size, DecodedImage *image);
bool decodePng(const uint8_t *bytes, size_t size, DecodedImage *image);

/// Checks the limits of Image.h, then takes the memory of `rgb`.
bool allocateImage(uint64_t width, uint64_t height, DecodedImage *image);

} // namespace anybit::data

#endif // ANYBIT_LIB_DATA_DECODERS_H
