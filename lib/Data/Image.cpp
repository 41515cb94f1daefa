#include "anybit/Data/Image.h"
#include "Decoders.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cstdio>
#include <cstdlib>

using namespace llvm;

namespace anybit::data {

bool allocateImage(uint64_t width, uint64_t height, DecodedImage *image) {
  uint64_t side = maxImageSide, pixels = maxImagePixels;
  if (!width || !height || width > side || height > side || width * height > pixels) {
    snprintf(image->message, sizeof(image->message),
             "%llu x %llu pixels are outside the limits (sides 1 to %lld, at most %lld pixels)",
             static_cast<unsigned long long>(width), static_cast<unsigned long long>(height),
             static_cast<long long>(maxImageSide), static_cast<long long>(maxImagePixels));
    return false;
  }
  image->width = static_cast<int64_t>(width);
  image->height = static_cast<int64_t>(height);
  image->rgb = static_cast<uint8_t *>(calloc(width * height, 3));
  if (!image->rgb)
    snprintf(image->message, sizeof(image->message), "no memory for its pixels");
  return image->rgb;
}

Expected<Image> decodeImage(ArrayRef<uint8_t> bytes) {
  StringRef text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  bool jpeg = text.starts_with("\xff\xd8\xff"), png = text.starts_with("\x89PNG\r\n\x1a\n");
  if (!jpeg && !png)
    return createStringError("this is neither a JPEG nor a PNG picture");
  DecodedImage decoded = {};
  scope_exit release([&] { free(decoded.rgb); });
  bool done = jpeg ? decodeJpeg(bytes.data(), bytes.size(), &decoded) : decodePng(bytes.data(), bytes.size(), &decoded);
  if (!done)
    return createStringError(Twine(jpeg ? "JPEG" : "PNG") + " picture cannot be decoded: " + decoded.message);
  Image image{decoded.width, decoded.height, {}};
  image.rgb.assign(decoded.rgb, decoded.rgb + size_t(decoded.width) * decoded.height * 3);
  return image;
}

Expected<Image> readImage(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError("cannot read '" + path + "': " + buffer.getError().message());
  const auto *begin = reinterpret_cast<const uint8_t *>((*buffer)->getBufferStart());
  Expected<Image> image = decodeImage(ArrayRef<uint8_t>(begin, (*buffer)->getBufferSize()));
  if (!image)
    return createFileError(path, image.takeError());
  return image;
}

} // namespace anybit::data
