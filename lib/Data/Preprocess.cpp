#include "anybit/Data/Preprocess.h"
#include "Resample.h"

#include "anybit_preprocess.h"
#include <HalideBuffer.h>

#include <algorithm>
#include <cmath>

using namespace llvm;

namespace anybit::data {

Taps resampleTaps(int64_t in, int64_t out, int64_t begin, int64_t count) {
  double step = double(in) / double(out), support = std::max(step, 1.0);
  Taps result;
  result.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  result.first.resize(count);
  result.weights.resize(count * result.taps);
  std::vector<double> weights(result.taps);
  for (int64_t i = 0; i < count; ++i) {
    double center = (double(begin + i) + 0.5) * step, sum = 0;
    auto first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    auto last = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), in);
    for (int64_t k = 0; k < last - first; ++k) {
      double distance = std::abs((double(first + k) - center + 0.5) * (1.0 / support));
      sum += weights[k] = std::max(1.0 - distance, 0.0);
    }
    result.first[i] = static_cast<int32_t>(first);
    for (int64_t k = 0; k < last - first; ++k)
      result.weights[i * result.taps + k] = static_cast<int32_t>(0.5 + weights[k] / sum * double(1 << resampleBits));
  }
  return result;
}

namespace {

/// Where the pixels go: the picture is resized to `resized`, of which the window at (left, top) of size `window` is
/// kept and put at the top left of an output of size `output`.
struct Geometry {
  Extent resized, window, output;
  int64_t left = 0, top = 0;
};

} // namespace

static std::string extentText(Extent extent) {
  return std::to_string(extent.width) + "x" + std::to_string(extent.height);
}

static Extent resizedExtent(const Image &image, const PreprocessOptions &options) {
  int64_t w = image.width, h = image.height;
  switch (options.fit) {
  case Fit::Keep:
    return {w, h};
  case Fit::Stretch:
    return options.size;
  case Fit::Shorter: {
    int64_t side = options.size.width;
    return w <= h ? Extent{side, side * h / w} : Extent{side * w / h, side};
  }
  case Fit::Letterbox:
    break;
  }
  auto [width, height] = options.size;
  if (width * h <= height * w)
    return {width, std::max<int64_t>(width * h / w, 1)};
  return {std::max<int64_t>(height * w / h, 1), height};
}

static Expected<Geometry> geometryOf(const Image &image, const PreprocessOptions &options) {
  Geometry geometry;
  geometry.resized = resizedExtent(image, options);
  auto [width, height] = geometry.resized;
  // Pixels between the two passes: resized in width, still the picture's height.
  int64_t between = width * image.height;
  if (std::max(width, height) > maxImageSide || std::max(width * height, between) > maxImagePixels)
    return createStringError("a picture of " + extentText({image.width, image.height}) +
                             " pixels is too large to be resized to " + extentText(geometry.resized));
  geometry.window = geometry.resized;
  geometry.output = options.fit == Fit::Letterbox ? options.size : geometry.resized;
  if (!options.crop)
    return geometry;
  if (options.crop->width > geometry.output.width || options.crop->height > geometry.output.height)
    return createStringError("the picture has " + extentText(geometry.output) + " pixels, less than crop=" +
                             extentText(*options.crop) + "; choose a larger size= or a smaller crop=");
  geometry.left = (geometry.output.width - options.crop->width) / 2;
  geometry.top = (geometry.output.height - options.crop->height) / 2;
  geometry.output = *options.crop;
  geometry.window.width = std::clamp<int64_t>(width - geometry.left, 0, options.crop->width);
  geometry.window.height = std::clamp<int64_t>(height - geometry.top, 0, options.crop->height);
  return geometry;
}

/// The output value of each pixel value, 256 for each channel.
static std::vector<float> valueTable(const PreprocessOptions &options) {
  std::vector<float> table;
  for (int64_t c = 0; c < options.channels(); ++c)
    for (int value = 0; value < 256; ++value)
      table.push_back(static_cast<float>((value * options.scale - options.mean[c]) / options.std[c]));
  return table;
}

template <typename T> using Buffer = Halide::Runtime::Buffer<T>;

/// Keeps Halide from ending the process: with a handler that returns, the pipeline returns its error code.
static void ignoreHalideError(void *, const char *) {}

static int runPipeline(const Image &image, const Geometry &geometry, bool gray, bool reversed,
                       Buffer<const float> table, Buffer<float> output) {
  static auto previous = halide_set_error_handler(ignoreHalideError);
  (void)previous;
  Taps x = resampleTaps(image.width, geometry.resized.width, geometry.left, geometry.window.width);
  Taps y = resampleTaps(image.height, geometry.resized.height, geometry.top, geometry.window.height);
  // Only the rows that the window needs go through the horizontal pass.
  int32_t firstRow = y.first.front();
  auto lastRow = static_cast<int32_t>(std::min<int64_t>(y.first.back() + y.taps, image.height) - 1);
  auto w = static_cast<int>(image.width), h = static_cast<int>(image.height);
  Buffer<const uint8_t> input = Buffer<const uint8_t>::make_interleaved(image.rgb.data(), w, h, 3);
  Buffer<const int32_t> firstX(x.first.data(), static_cast<int>(x.first.size()));
  Buffer<const int32_t> firstY(y.first.data(), static_cast<int>(y.first.size()));
  Buffer<const int32_t> weightsX(x.weights.data(), x.taps, firstX.width());
  Buffer<const int32_t> weightsY(y.weights.data(), y.taps, firstY.width());
  return anybit_preprocess(input, firstX, weightsX, firstY, weightsY, table, firstRow, lastRow, gray, reversed, output);
}

Expected<Array> preprocess(const Image &image, const PreprocessOptions &options) {
  Expected<Geometry> geometry = geometryOf(image, options);
  if (!geometry)
    return geometry.takeError();
  bool planar = options.layout.value_or(Layout::NCHW) == Layout::NCHW;
  int64_t channels = options.channels();
  auto [width, height] = geometry->output;
  SmallVector<int64_t, 4> dims = {1, height, width, channels};
  if (planar)
    dims = {1, channels, height, width};
  Expected<Array> array = Array::zeros(ElementType::Float32, dims);
  if (!array)
    return array.takeError();

  std::vector<float> table = valueTable(options);
  auto w = static_cast<int>(width), h = static_cast<int>(height), c = static_cast<int>(channels);
  float *values = array->mutableValues<float>().data();
  Buffer<float> whole = planar ? Buffer<float>(values, w, h, c) : Buffer<float>::make_interleaved(values, w, h, c);
  if (!(geometry->window == geometry->output))
    whole.for_each_element([&](const int *at) { whole(at) = table[at[2] * 256 + options.pad]; });
  if (!geometry->window.width || !geometry->window.height)
    return array;
  Buffer<float> window = whole.cropped(0, 0, static_cast<int>(geometry->window.width))
                             .cropped(1, 0, static_cast<int>(geometry->window.height));
  int code = runPipeline(image, *geometry, options.color == Color::Gray, options.color == Color::BGR,
                         Buffer<const float>(table.data(), 256, c), window);
  if (code)
    return createStringError("the picture could not be resized (out of memory; code " + Twine(code) + ")");
  return array;
}

} // namespace anybit::data
