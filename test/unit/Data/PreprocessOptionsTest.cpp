#include "DataTesting.h"

#include "anybit/Data/Preprocess.h"

using namespace anybit::data;

namespace {

TEST(PreprocessOptions, Presets) {
  PreprocessOptions imagenet = good(parsePreprocess("imagenet"));
  EXPECT_EQ(imagenet.fit, Fit::Shorter);
  EXPECT_EQ(imagenet.size.width, 256);
  EXPECT_EQ(imagenet.crop, (Extent{224, 224}));
  EXPECT_EQ(imagenet.mean[1], 0.456);
  EXPECT_EQ(imagenet.std[2], 0.225);
  EXPECT_EQ(imagenet.scale, 1.0 / 255);
  PreprocessOptions tf = good(parsePreprocess("tf"));
  EXPECT_EQ(tf.scale, 1 / 127.5);
  EXPECT_EQ(tf.mean[2], 1);
  EXPECT_EQ(tf.crop, (Extent{224, 224}));
  EXPECT_EQ(good(parsePreprocess("unit")).fit, Fit::Keep);
  EXPECT_EQ(good(parsePreprocess("unit")).scale, 1.0 / 255);
  EXPECT_EQ(good(parsePreprocess("raw")).scale, 1);
}

TEST(PreprocessOptions, Pairs) {
  PreprocessOptions options =
      good(parsePreprocess("size=416x320,fit=letterbox,pad=114,color=bgr,layout=nhwc,mean=1:2:3,std=4,scale=1/2"));
  EXPECT_EQ(options.fit, Fit::Letterbox);
  EXPECT_EQ(options.size, (Extent{416, 320}));
  EXPECT_EQ(options.pad, 114u);
  EXPECT_EQ(options.color, Color::BGR);
  EXPECT_EQ(options.layout, Layout::NHWC);
  EXPECT_EQ(options.mean, (std::array<double, 3>{1, 2, 3}));
  EXPECT_EQ(options.std, (std::array<double, 3>{4, 4, 4}));
  EXPECT_EQ(options.scale, 0.5);
  EXPECT_EQ(good(parsePreprocess("size=20")).fit, Fit::Shorter);
  EXPECT_EQ(good(parsePreprocess("size=20x10")).fit, Fit::Stretch);
  EXPECT_EQ(good(parsePreprocess("fit=stretch,size=20")).size, (Extent{20, 20}));
  EXPECT_EQ(good(parsePreprocess("imagenet, size=128,crop=96")).crop, (Extent{96, 96}));
}

TEST(PreprocessOptions, ErrorsListTheKeysAndEveryProblem) {
  std::string text = message(parsePreprocess("size=0,flip=1,std=0,imagenet"));
  for (const char *part : {"'size=0'", "'flip=1'", "'std=0'", "'imagenet'", "layout=nchw|nhwc", "letterbox"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  for (const char *bad : {"",
                          "photo",
                          "size=",
                          "size=4x",
                          "size=99999",
                          "size=-1",
                          "crop=1x2x3",
                          "mean=1:2",
                          "mean=nan",
                          "std=1:0:1",
                          "scale=0",
                          "scale=1/0",
                          "scale=inf",
                          "layout=chw",
                          "color=red",
                          "fit=pad,size=3",
                          "fit=letterbox",
                          "pad=256",
                          "pad=-1",
                          "fit=shorter,size=3x4",
                          "imagenet,color=gray",
                          "size=3,,crop=2",
                          "=",
                          "size",
                          "raw,unit"})
    EXPECT_NE(message(parsePreprocess(bad)), "") << bad;
}

TEST(PreprocessOptions, AdaptsToTheInput) {
  PreprocessOptions planar = good(parsePreprocess("unit"));
  EXPECT_EQ(message(adaptToShape(planar, {-1, 3, 32, 48})), "");
  EXPECT_EQ(planar.layout, Layout::NCHW);
  EXPECT_EQ(planar.color, Color::RGB);
  EXPECT_EQ(planar.fit, Fit::Stretch);
  EXPECT_EQ(planar.size, (Extent{48, 32}));

  PreprocessOptions gray = good(parsePreprocess("raw"));
  EXPECT_EQ(message(adaptToShape(gray, {1, 28, 30, 1})), "");
  EXPECT_EQ(gray.layout, Layout::NHWC);
  EXPECT_EQ(gray.color, Color::Gray);
  EXPECT_EQ(gray.size, (Extent{30, 28}));

  PreprocessOptions imagenet = good(parsePreprocess("imagenet"));
  EXPECT_EQ(message(adaptToShape(imagenet, {1, 3, 96, 96})), "");
  EXPECT_EQ(imagenet.fit, Fit::Shorter);
}

TEST(PreprocessOptions, RefusesShapesThatDoNotFit) {
  PreprocessOptions options = good(parsePreprocess("unit"));
  EXPECT_SAYS(adaptToShape(options, {1, 784}), "no picture");
  EXPECT_SAYS(adaptToShape(options, {1, 12, 49, 10}), "1 or 3 channels");
  EXPECT_SAYS(adaptToShape(options, {1, 3, -1, -1}), "size=WxH");
  PreprocessOptions bgr = good(parsePreprocess("unit,color=bgr"));
  EXPECT_SAYS(adaptToShape(bgr, {1, 1, 28, 28}), "1 channels");
}

} // namespace
