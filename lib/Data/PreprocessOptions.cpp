#include "anybit/Data/Preprocess.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSwitch.h"

#include <cmath>

using namespace llvm;

namespace anybit::data {

constexpr StringLiteral allowed =
    "a preset (imagenet, tf, unit, raw) and then, or instead, size=N|WxH, crop=N|WxH, mean=a|a:b:c, std=a|a:b:c, "
    "scale=a|a/b, layout=nchw|nhwc, color=rgb|bgr|gray, fit=shorter|stretch|letterbox, pad=0..255, separated by commas";

static std::optional<PreprocessOptions> preset(StringRef name) {
  PreprocessOptions options;
  bool imagenet = name == "imagenet", tf = name == "tf";
  if (!imagenet && !tf && name != "unit" && name != "raw")
    return std::nullopt;
  if (imagenet || name == "unit")
    options.scale = 1.0 / 255;
  if (imagenet) {
    options.mean = {0.485, 0.456, 0.406};
    options.std = {0.229, 0.224, 0.225};
  }
  if (tf) {
    options.scale = 1 / 127.5;
    options.mean = {1, 1, 1};
  }
  if (imagenet || tf) {
    options.fit = Fit::Shorter;
    options.size = {256, 256};
    options.crop = Extent{224, 224};
  }
  return options;
}

static std::optional<int64_t> parseSide(StringRef text) {
  int64_t side = 0;
  if (text.getAsInteger(10, side) || side < 1 || side > maxImageSide)
    return std::nullopt;
  return side;
}

/// N (both sides) or WxH.
static std::optional<Extent> parseExtent(StringRef text) {
  auto [width, height] = text.split('x');
  std::optional<int64_t> first = parseSide(width), second = parseSide(text.contains('x') ? height : width);
  if (!first || !second)
    return std::nullopt;
  return Extent{*first, *second};
}

static std::optional<double> parseNumber(StringRef text) {
  double value = 0;
  if (text.getAsDouble(value) || !std::isfinite(value))
    return std::nullopt;
  return value;
}

/// One number for all channels, or three.
static bool parseChannels(StringRef text, std::array<double, 3> &values) {
  SmallVector<StringRef, 3> parts;
  text.split(parts, ':');
  size_t count = parts.size();
  if (count != 1 && count != 3)
    return false;
  for (size_t c = 0; c < 3; ++c) {
    std::optional<double> value = parseNumber(parts[count == 1 ? 0 : c]);
    if (!value)
      return false;
    values[c] = *value;
  }
  return true;
}

/// a or a/b.
static bool parseScale(StringRef text, double &scale) {
  auto [first, second] = text.split('/');
  std::optional<double> above = parseNumber(first), below = parseNumber(text.contains('/') ? second : "1");
  if (!above || !below || *below == 0 || *above == 0)
    return false;
  scale = *above / *below;
  return std::isfinite(scale);
}

namespace {

class Parser {
public:
  Expected<PreprocessOptions> parse(StringRef text) {
    SmallVector<StringRef, 8> items;
    text.split(items, ',');
    for (auto [index, item] : enumerate(items))
      parseItem(item.trim(), index == 0);
    checkTogether();
    if (problems.empty())
      return options;
    return createStringError("--preprocess: " + join(problems) + "; write " + allowed);
  }

private:
  static std::string join(ArrayRef<std::string> texts) {
    std::string all;
    for (auto [index, text] : enumerate(texts))
      all += (index ? "; " : "") + text;
    return all;
  }

  void parseItem(StringRef item, bool first) {
    auto [key, value] = item.split('=');
    if (item.contains('='))
      return parsePair(key, value);
    std::optional<PreprocessOptions> named = preset(item);
    if (named && first)
      options = *named;
    else
      problems.push_back(("'" + item + "' is " + (named ? "a preset behind another item" : "no preset")).str());
  }

  void parsePair(StringRef key, StringRef value) {
    bool good = StringSwitch<function_ref<bool()>>(key)
                    .Case("size", [&] { return parseSize(value); })
                    .Case("crop", [&] { return (options.crop = parseExtent(value)).has_value(); })
                    .Case("mean", [&] { return parseChannels(value, options.mean); })
                    .Case("std", [&] { return parseStd(value); })
                    .Case("scale", [&] { return parseScale(value, options.scale); })
                    .Case("layout", [&] { return parseLayout(value); })
                    .Case("color", [&] { return parseColor(value); })
                    .Case("fit", [&] { return parseFit(value); })
                    .Case("pad", [&] { return !value.getAsInteger(10, options.pad) && options.pad <= 255; })
                    .Default([] { return false; })();
    if (!good)
      problems.push_back(("'" + key + "=" + value + "' cannot be used").str());
  }

  bool parseSize(StringRef value) {
    std::optional<Extent> extent = parseExtent(value);
    options.size = extent.value_or(Extent());
    options.fit = value.contains('x') ? Fit::Stretch : Fit::Shorter;
    twoSides = value.contains('x');
    return extent.has_value();
  }

  bool parseStd(StringRef value) {
    return parseChannels(value, options.std) && none_of(options.std, [](double s) { return s == 0; });
  }

  bool parseLayout(StringRef value) {
    options.layout = StringSwitch<std::optional<Layout>>(value)
                         .Case("nchw", Layout::NCHW)
                         .Case("nhwc", Layout::NHWC)
                         .Default(std::nullopt);
    return options.layout.has_value();
  }

  bool parseColor(StringRef value) {
    options.color = StringSwitch<std::optional<Color>>(value)
                        .Case("rgb", Color::RGB)
                        .Case("bgr", Color::BGR)
                        .Case("gray", Color::Gray)
                        .Default(std::nullopt);
    return options.color.has_value();
  }

  bool parseFit(StringRef value) {
    fit = StringSwitch<std::optional<Fit>>(value)
              .Case("shorter", Fit::Shorter)
              .Case("stretch", Fit::Stretch)
              .Case("letterbox", Fit::Letterbox)
              .Default(std::nullopt);
    return fit.has_value();
  }

  void checkTogether() {
    if (fit && options.fit == Fit::Keep)
      problems.push_back("fit= needs size=");
    if (fit == Fit::Shorter && twoSides)
      problems.push_back("fit=shorter needs one number in size=");
    if (fit)
      options.fit = *fit;
    bool threeValues = !all_equal(options.mean) || !all_equal(options.std);
    if (options.color == Color::Gray && threeValues)
      problems.push_back("color=gray needs one mean= and one std=, not three");
  }

  PreprocessOptions options;
  std::optional<Fit> fit;
  bool twoSides = false;
  SmallVector<std::string, 4> problems;
};

} // namespace

/// The dimension that counts channels, and so the layout. Prefers NCHW.
static std::optional<Layout> layoutOf(ArrayRef<int64_t> shape) {
  auto isChannels = [](int64_t dim) { return dim == 1 || dim == 3; };
  if (isChannels(shape[1]))
    return Layout::NCHW;
  if (isChannels(shape[3]))
    return Layout::NHWC;
  return std::nullopt;
}

Expected<PreprocessOptions> parsePreprocess(StringRef text) { return Parser().parse(text); }

Error adaptToShape(PreprocessOptions &options, ArrayRef<int64_t> shape) {
  std::string name = "the model's input of shape " + shapeText(shape);
  if (shape.size() != 4)
    return createStringError(name + " is no picture (rank 4 is needed); give the samples as a .npy file");
  if (!options.layout)
    options.layout = layoutOf(shape);
  if (!options.layout)
    return createStringError(name + " has 1 or 3 channels neither in front nor at the end; say layout=nchw or "
                                    "layout=nhwc if its channels are free, else give the samples as a .npy file");
  bool first = options.layout == Layout::NCHW;
  int64_t channels = shape[first ? 1 : 3], height = shape[first ? 2 : 1], width = shape[first ? 3 : 2];
  if (!options.color)
    options.color = channels == 1 ? Color::Gray : Color::RGB;
  if (channels >= 0 && channels != options.channels())
    return createStringError(name + " has " + Twine(channels) + " channels, but layout= and color= make " +
                             Twine(options.channels()));
  if (options.fit != Fit::Keep || options.crop)
    return Error::success();
  if (height < 1 || width < 1)
    return createStringError(name + " leaves height and width free; say size=WxH in --preprocess");
  options.fit = Fit::Stretch;
  options.size = {width, height};
  return Error::success();
}

} // namespace anybit::data
