//===- Image.h - decoded pictures -------------------------------*- C++ -*-===//
#ifndef ANYBIT_DATA_IMAGE_H
#define ANYBIT_DATA_IMAGE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <vector>

namespace anybit::data {

/// Limits of a picture, before and after resizing: side and number of pixels.
constexpr int64_t maxImageSide = int64_t(1) << 15;
constexpr int64_t maxImagePixels = int64_t(1) << 26;

/// A picture of 8-bit RGB pixels, rows from the top, no gaps: `rgb` has 3 * width * height bytes.
struct Image {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<uint8_t> rgb;
};

/// Decodes a JPEG or PNG (told by its first bytes). Gray, palette and CMYK become RGB, 16-bit samples become 8-bit,
/// alpha is dropped, as Pillow's `convert("RGB")` does. Fails on other formats, damaged or truncated data and pictures
/// above the limits.
llvm::Expected<Image> decodeImage(llvm::ArrayRef<uint8_t> bytes);

/// Reads and decodes a file. Errors name it.
llvm::Expected<Image> readImage(llvm::StringRef path);

} // namespace anybit::data

#endif // ANYBIT_DATA_IMAGE_H
