//===- Preprocess.h - from a picture to a model's input ---------*- C++ -*-===//
//
// resize -> crop -> (x * scale - mean) / std -> layout. The resize is the antialiased bilinear one of Pillow in 8-bit
// fixed point, equal to it in every bit; pixels stay 8-bit until the last step.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_DATA_PREPROCESS_H
#define ANYBIT_DATA_PREPROCESS_H

#include "anybit/Data/Array.h"
#include "anybit/Data/Image.h"

#include <array>
#include <optional>

namespace anybit::data {

enum class Layout { NCHW, NHWC };
enum class Color { RGB, BGR, Gray };

/// How a picture is brought to a size.
enum class Fit {
  Keep,      ///< Not resized.
  Shorter,   ///< The shorter side becomes `size.width`, the aspect ratio stays (the longer side is rounded down).
  Stretch,   ///< To `size`, whatever the aspect ratio.
  Letterbox, ///< The largest that fits in `size` with the aspect ratio, at the top left; the rest is `pad`.
};

/// A size in pixels.
struct Extent {
  int64_t width = 0;
  int64_t height = 0;
  bool operator==(const Extent &other) const { return width == other.width && height == other.height; }
};

/// One way of making a model's input from a picture. Unset layout is NCHW, unset colour RGB; `adaptToShape` sets them.
struct PreprocessOptions {
  Fit fit = Fit::Keep;
  Extent size;                            ///< Where `fit` is not Keep.
  std::optional<Extent> crop;             ///< Cut from the centre (offset rounded down).
  std::array<double, 3> mean = {0, 0, 0}; ///< Per output channel, in the order of `color`.
  std::array<double, 3> std = {1, 1, 1};  ///< Per output channel.
  double scale = 1;                       ///< Of the pixel values 0..255, before mean and std.
  unsigned pad = 0;                       ///< Pixel value 0..255 of a letterbox's border.
  std::optional<Layout> layout;
  std::optional<Color> color;

  int64_t channels() const { return color == Color::Gray ? 1 : 3; }
};

/// Parses the value of `--preprocess`: a preset (`imagenet`, `tf`, `unit`, `raw`), or `key=value` pairs, or a preset
/// followed by pairs that change it, separated by commas. Keys: size=N (shorter side) or WxH, crop=N or WxH,
/// mean=a or a:b:c, std=a or a:b:c, scale=a or a/b, layout=nchw|nhwc, color=rgb|bgr|gray,
/// fit=shorter|stretch|letterbox, pad=0..255. All problems are reported at once, with the allowed keys.
llvm::Expected<PreprocessOptions> parsePreprocess(llvm::StringRef text);

/// Fills what the options leave open from the input's shape (rank 4; negative dimensions are free): layout and gray or
/// RGB from the dimension that is 1 or 3, and without size and crop, a resize to the input's width and height. Fails
/// where the options and the shape cannot agree, and where the size stays open.
llvm::Error adaptToShape(PreprocessOptions &options, llvm::ArrayRef<int64_t> shape);

/// Preprocesses one picture: float32 of 1xCxHxW or 1xHxWxC. A value is ((x * scale) - mean) / std, computed in double
/// and rounded once. Fails where the crop is larger than the picture or a size exceeds the limits of Image.h.
llvm::Expected<Array> preprocess(const Image &image, const PreprocessOptions &options);

} // namespace anybit::data

#endif // ANYBIT_DATA_PREPROCESS_H
