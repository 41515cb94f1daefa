#include "DataTesting.h"

#include "anybit/Data/Preprocess.h"

#include "llvm/ADT/SmallVector.h"

#include <cstdlib>

using namespace anybit::data;
using llvm::SmallVector;

// Of Halide's runtime, which decides between the builds of a pipeline.
extern "C" {
using FeatureTest = int (*)(int, const uint64_t *);
FeatureTest halide_set_custom_can_use_target_features(FeatureTest test);
}

namespace {

Image picture() { return good(readImage(inputPath("rgb.png"))); }

Array run(const Image &image, const char *options) { return good(preprocess(image, good(parsePreprocess(options)))); }

/// Compares with uint8 expectations, element by element.
void expectPixels(const Array &got, const Array &expected) {
  llvm::ArrayRef<uint8_t> pixels = expected.values<uint8_t>();
  ASSERT_EQ(got.count(), expected.count());
  for (size_t i = 0; i < pixels.size(); ++i)
    ASSERT_EQ(got.values<float>()[i], float(pixels[i])) << "element " << i;
}

TEST(Preprocess, ResizesLikePillow) {
  for (const char *size : {"20x11", "53x9", "7x37", "80x61", "26x70", "1x1"}) {
    SCOPED_TRACE(size);
    Array got = run(picture(), (std::string("raw,layout=nhwc,size=") + size).c_str());
    expectPixels(got, good(readNpy(inputPath(std::string("resized_") + size + ".npy"))));
  }
  expectPixels(run(picture(), "raw,layout=nhwc"), good(readNpy(inputPath("rgb.png.npy"))));
  expectPixels(run(picture(), "raw,color=gray,size=20x11"), good(readNpy(inputPath("resized_gray_20x11.npy"))));
}

TEST(Preprocess, LayoutAndColor) {
  Array rows = run(picture(), "raw,layout=nhwc,size=20x11"), planes = run(picture(), "raw,size=20x11"),
        blue = run(picture(), "raw,size=20x11,color=bgr");
  EXPECT_EQ(rows.dims, (SmallVector<int64_t, 4>{1, 11, 20, 3}));
  EXPECT_EQ(planes.dims, (SmallVector<int64_t, 4>{1, 3, 11, 20}));
  for (int pixel = 0; pixel < 220; ++pixel)
    for (int c = 0; c < 3; ++c) {
      EXPECT_EQ(planes.values<float>()[c * 220 + pixel], rows.values<float>()[pixel * 3 + c]);
      EXPECT_EQ(blue.values<float>()[(2 - c) * 220 + pixel], rows.values<float>()[pixel * 3 + c]);
    }
}

TEST(Preprocess, ScaleMeanAndStd) {
  Array raw = run(picture(), "raw"),
        scaled = run(picture(), "scale=1/255,mean=0.485:0.456:0.406,std=0.229:0.224:0.225");
  const double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225};
  for (int64_t i = 0; i < raw.count(); ++i) {
    int64_t c = i / (37 * 53);
    double value = raw.values<float>()[i] * (1.0 / 255);
    ASSERT_EQ(scaled.values<float>()[i], float((value - mean[c]) / std[c]));
  }
}

TEST(Preprocess, ShorterSideAndCrop) {
  // 53x37 -> shorter side 20: 28x20, cut to 12x10 at (8, 5).
  Array whole = run(picture(), "raw,size=20"), crop = run(picture(), "raw,size=20,crop=12x10");
  EXPECT_EQ(whole.dims, (SmallVector<int64_t, 4>{1, 3, 20, 28}));
  EXPECT_EQ(crop.dims, (SmallVector<int64_t, 4>{1, 3, 10, 12}));
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 10; ++y)
      for (int x = 0; x < 12; ++x)
        ASSERT_EQ(crop.values<float>()[(c * 10 + y) * 12 + x], whole.values<float>()[(c * 20 + y + 5) * 28 + x + 8]);
}

TEST(Preprocess, Letterbox) {
  // 53x37 fits 40x40 as 40x27.
  Array box = run(picture(), "raw,size=40,fit=letterbox,pad=114"), inner = run(picture(), "raw,size=40x27");
  EXPECT_EQ(box.dims, (SmallVector<int64_t, 4>{1, 3, 40, 40}));
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 40; ++y)
      for (int x = 0; x < 40; ++x)
        ASSERT_EQ(box.values<float>()[(c * 40 + y) * 40 + x],
                  y < 27 ? inner.values<float>()[(c * 27 + y) * 40 + x] : 114.0f);
}

// The choice between the builds for this CPU and for any is made once in a process, so the portable one is tested by
// a second run of these tests with ANYBIT_TEST_PORTABLE set.
int refusals = 0;
const bool portable =
    getenv("ANYBIT_TEST_PORTABLE") && halide_set_custom_can_use_target_features([](int, const uint64_t *) {
      ++refusals;
      return 0;
    });

TEST(Preprocess, PortableBuildIsChosen) {
  if (!portable)
    GTEST_SKIP() << "ANYBIT_TEST_PORTABLE is not set";
  run(picture(), "raw");
  EXPECT_GT(refusals, 0);
}

TEST(Preprocess, RefusesWhatDoesNotFit) {
  EXPECT_SAYS(preprocess(picture(), good(parsePreprocess("raw,crop=40"))), "less than crop=40x40");
  Image thin{1, 4000, std::vector<uint8_t>(12000)};
  EXPECT_SAYS(preprocess(thin, good(parsePreprocess("raw,size=256"))), "too large");
  EXPECT_SAYS(preprocess(thin, good(parsePreprocess("raw,size=32768x100"))), "too large");
}

} // namespace
