#include "DataTesting.h"

#include "anybit/Data/Image.h"

#include "llvm/ADT/STLExtras.h"

#include <cstdlib>

using namespace anybit::data;

namespace {

int largestDifference(const Image &image, const Array &expected) {
  llvm::ArrayRef<uint8_t> values = expected.values<uint8_t>();
  EXPECT_EQ(image.rgb.size(), values.size());
  int largest = 0;
  for (auto [a, b] : llvm::zip(image.rgb, values))
    largest = std::max(largest, std::abs(int(a) - int(b)));
  return largest;
}

TEST(Image, DecodesLikePillow) {
  for (const char *name :
       {"rgb.png", "gray.png", "palette.png", "rgba.png", "rgb.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg"}) {
    Image image = good(readImage(inputPath(name)));
    EXPECT_EQ(image.width, 53) << name;
    EXPECT_EQ(image.height, 37) << name;
    EXPECT_EQ(largestDifference(image, good(readNpy(inputPath(std::string(name) + ".npy")))), 0) << name;
  }
}

TEST(Image, RefusesTruncatedPictures) {
  for (const char *name : {"rgb.png", "palette.png", "rgb.jpg", "progressive.jpg", "cmyk.jpg"}) {
    std::string whole = fileBytes(inputPath(name));
    for (size_t size = 0; size + 16 < whole.size(); ++size)
      EXPECT_NE(message(decodeImage(unsignedChars(whole.substr(0, size)))), "") << name << " " << size;
  }
}

TEST(Image, SurvivesFlippedBits) {
  for (const char *name : {"rgb.png", "palette.png", "rgb.jpg", "progressive.jpg", "cmyk.jpg"}) {
    std::string whole = fileBytes(inputPath(name));
    for (size_t bit = 0; bit < whole.size() * 8; bit += 3) {
      std::string copy = whole;
      copy[bit / 8] ^= static_cast<char>(1 << bit % 8);
      (void)message(decodeImage(unsignedChars(copy)));
    }
  }
}

TEST(Image, RefusesHugeAndForeignPictures) {
  std::string jpeg = fileBytes(inputPath("rgb.jpg"));
  size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg[frame + 5] = jpeg[frame + 7] = '\x7f'; // 32549 x 32565 pixels
  EXPECT_SAYS(decodeImage(unsignedChars(jpeg)), "outside the limits");
  EXPECT_SAYS(readImage(inputPath("scalar.npy")), "neither a JPEG nor a PNG");
  EXPECT_SAYS(readImage(inputPath("missing.png")), "cannot read");
  EXPECT_SAYS(decodeImage({}), "neither a JPEG nor a PNG");
}

} // namespace
