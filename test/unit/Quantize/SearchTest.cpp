//===- SearchTest.cpp - formats, steps, losses, candidates ----------------===//
#include "Calibrate.h"
#include "Sensitivity.h"
#include "Statistics.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace anybit::quantize;

namespace {

Layer layerOf(std::vector<float> weights, int64_t channels) {
  Layer layer;
  layer.weightDims = {channels, int64_t(weights.size()) / channels, 1, 1};
  layer.weights = std::move(weights);
  layer.gain.assign(size_t(channels), 1);
  layer.shift.assign(size_t(channels), 0);
  return layer;
}

} // namespace

TEST(Format, OddFollowsN2) {
  Layer layer = layerOf({-3.5f, -1.5f, -0.1f, 0, 0.1f, 1.9f, 2, 9}, 1);
  WeightChoice two{false, Format::Odd, 2, {1}}, one{false, Format::Odd, 1, {0.5f}};
  EXPECT_EQ(fakeQuantize(layer, layer.weights, two), (std::vector<float>{-3, -1, -1, 1, 1, 1, 3, 3}));
  EXPECT_EQ(fakeQuantize(layer, layer.weights, one), (std::vector<float>{-.5, -.5, -.5, .5, .5, .5, .5, .5}));
}

TEST(Format, SignedRoundsTiesToEvenAndClamps) {
  Layer layer = layerOf({-9, -2.5f, -0.5f, 0.5f, 1.5f, 2.5f, 3.5f, 9}, 1);
  WeightChoice three{false, Format::Signed, 3, {1}};
  EXPECT_EQ(fakeQuantize(layer, layer.weights, three), (std::vector<float>{-4, -2, -0.f, 0, 2, 2, 3, 3}));
}

TEST(Format, EachChannelHasItsScale) {
  Layer layer = layerOf({1, 1, 10, 10}, 2);
  WeightChoice choice = searchWeights(layer, layer.weights, 3);
  ASSERT_EQ(choice.scales.size(), 2u);
  EXPECT_FLOAT_EQ(choice.scales[1], 10 * choice.scales[0]);
  EXPECT_EQ(searchWeights(layer, layer.weights, 2).format, Format::Odd);
  EXPECT_EQ(searchWeights(layer, layer.weights, 3).format, Format::Signed);
}

TEST(Search, OneBitScaleMinimisesTheNorm) {
  // Two equal magnitudes: the best step is that magnitude.
  Layer layer = layerOf({-0.5f, 0.5f, 0.5f, -0.5f}, 1);
  EXPECT_FLOAT_EQ(searchWeights(layer, layer.weights, 1).scales[0], 0.5f);
}

TEST(Search, ChannelOfZerosHasASoundScale) {
  Layer layer = layerOf({0, 0, 0, 0}, 1);
  for (unsigned bits = 1; bits <= 8; ++bits) {
    float scale = searchWeights(layer, layer.weights, bits).scales[0];
    EXPECT_GT(scale, 0);
    EXPECT_LT(scale, 1e-7f) << "`odd` has no zero: its values must be negligible";
  }
}

TEST(Search, ActivationsClipRareOutliersAtFewBits) {
  Histogram histogram(0, 10);
  for (size_t i = 0; i < 10000; ++i)
    histogram.add(i == 0 ? 10 : float(i % 100) / 100);
  SiteChoice narrow = searchSite(histogram, 2), wide = searchSite(histogram, 8);
  EXPECT_EQ(narrow.zero, 0);
  EXPECT_LT(narrow.scale * 3, 2.0f);
  EXPECT_GT(wide.scale * 255, 8.0f);
}

TEST(Search, BoundsFollowTheFunctionOfTheCodes) {
  Histogram histogram(-60, 20);
  for (int i = -600; i <= 200; ++i)
    histogram.add(float(i) / 10);
  std::vector<float> clipped = histogram.centres();
  for (float &value : clipped)
    value = std::max(value, -1.0f);
  SiteChoice plain = searchSite(histogram, 8), functional = searchSite(histogram, 8, {clipped});
  EXPECT_GT(plain.scale * 255, 75.0f);
  EXPECT_LT(functional.scale * 255, 25.0f) << "nothing below -1 counts";
  EXPECT_GT((255 - float(functional.zero)) * functional.scale, 19.0f);
}

TEST(Search, TheEndsOfARangeAreClippedApart) {
  Histogram histogram(-10, 1);
  for (size_t i = 0; i < 1000000; ++i)
    histogram.add(i == 0 ? -10 : float(i % 201) / 100 - 1);
  SiteChoice choice = searchSite(histogram, 4);
  EXPECT_LT(float(choice.zero) * choice.scale, 3.0f);
  EXPECT_GT((15 - float(choice.zero)) * choice.scale, 0.7f);
}

TEST(Search, FunctionsAreInterpolatedBetweenCentres) {
  Histogram histogram(-1, 1);
  std::vector<float> doubled = histogram.centres();
  for (float &value : doubled)
    value *= 2;
  EXPECT_NEAR(histogram.interpolate(doubled, 0.3f), 0.6f, 1e-4f);
  EXPECT_NEAR(histogram.interpolate(doubled, 9), 2, 1e-3f);
  EXPECT_NEAR(histogram.interpolate(doubled, -9), -2, 1e-3f);
}

TEST(Search, ChannelLossSeesChannelsThatShareACode) {
  // One channel of [0, 100), one of [0, 1): a step of 1 leaves nothing of the second one.
  Batch batch{{1, 2, 100, 1}, 1, {}};
  for (float range : {100.0f, 1.0f})
    for (int i = 0; i < 100; ++i)
      batch.values.push_back(range * float(i) / 100);
  Histogram histogram = histogramOf({&batch});
  EXPECT_GT(channelLoss(batch, histogram, {false, 8, 1, 0}, {}), 0.3);
  EXPECT_LT(channelLoss(batch, histogram, {false, 8, 0.4f, 0}, {}), 0.1);
  std::vector<float> nothing(histogram.centres().size(), 0);
  nothing.back() = 1;
  EXPECT_LT(channelLoss(batch, histogram, {false, 8, 1, 0}, {nothing}), 0.1) << "only what the function sees counts";
}

TEST(Search, ZeroIsACodeOfSignedActivations) {
  Histogram histogram(-1, 3);
  for (int i = -100; i <= 300; ++i)
    histogram.add(float(i) / 100);
  for (unsigned bits = 2; bits <= 8; ++bits) {
    SiteChoice choice = searchSite(histogram, bits);
    EXPECT_GE(choice.zero, 0);
    EXPECT_LE(choice.zero, (1 << bits) - 1);
    std::vector<float> zero = {0};
    fakeQuantize(llvm::MutableArrayRef<float>(zero), choice);
    EXPECT_EQ(zero[0], 0);
  }
}

TEST(Statistics, MomentsLeaveHeldOutSamplesAside) {
  Batch batch{{1, 2, 1}, 8, {}};
  for (size_t row = 0; row < 8; ++row) {
    batch.values.push_back(isHeldOut(row, 8) ? 1000 : float(row % 2));
    batch.values.push_back(isHeldOut(row, 8) ? 1000 : 3);
  }
  Moments moments = momentsOf(batch, {1, 2, 1});
  EXPECT_NEAR(moments.mean[0], 2.0 / 6, 1e-12);
  EXPECT_NEAR(moments.variance[0], 2.0 / 6 - 4.0 / 36, 1e-12);
  EXPECT_EQ(moments.mean[1], 3);
  EXPECT_EQ(moments.variance[1], 0);
}

TEST(Statistics, CorrectionGivesBackTheMoments) {
  Layer layer = layerOf({1, 1}, 2);
  layer.gain = {2, 3};
  layer.shift = {1, -1};
  std::vector<double> gain, shift;
  correctedAffine(layer, {{0.5, 1}, {4, 0}, {6, 0}}, gain, shift);
  // The accumulator 4 stands for 6 of the float network.
  EXPECT_EQ(4 * gain[0] + shift[0], 6 * 2 + 1);
  EXPECT_EQ(gain[0], 1);
  EXPECT_EQ(gain[1], 3);
  EXPECT_EQ(shift[1], -1);
}

TEST(Statistics, WeightBiasIsTheErrorOfTheMean) {
  Layer layer = layerOf({1, 2, 3, 4, 5, 6, 7, 8}, 4); // Two groups of two inputs and two outputs.
  Batch input{{1, 4, 1, 2}, 1, {1, 3, 10, 10, -1, -1, 0, 4}};
  Correction bias = weightBiasOf(layer, {1.5f, 2, 3, 3, 5, 6, 6, 8.5f}, input);
  EXPECT_EQ(bias.from, (std::vector<double>{0.5 * 2, -1 * 10, 0, -1 * -1 + 0.5 * 2}));
  EXPECT_EQ(bias.ratio, std::vector<double>(4, 1));
  EXPECT_EQ(bias.to, std::vector<double>(4, 0));
}

TEST(Sensitivity, FewSitesCostMost) {
  std::vector<double> losses(64, 0.01);
  EXPECT_EQ(costliest(losses).size(), 4u) << "a sixteenth";
  losses[40] = 3;
  EXPECT_EQ(costliest(losses), (std::vector<size_t>{40})) << "three quarters of the sum are enough";
  losses[7] = losses[9] = 2;
  EXPECT_EQ(costliest(losses), (std::vector<size_t>{40, 7, 9}));
  EXPECT_TRUE(costliest(std::vector<double>(8, 1.0)).empty());
}

TEST(Loss, SoftmaxMakesNoDifferenceToKullbackLeibler) {
  Batch logits{{1, 2}, 1, {0, std::log(3.0f)}}, other{{1, 2}, 1, {0, 0}};
  Batch probabilities{{1, 2}, 1, {0.25f, 0.75f}}, even{{1, 2}, 1, {0.5f, 0.5f}};
  double expected = 0.25 * std::log(0.5) + 0.75 * std::log(1.5);
  EXPECT_NEAR(compare(Task::Classify, logits, other).loss, expected, 1e-6);
  EXPECT_NEAR(compare(Task::Classify, probabilities, even).loss, expected, 1e-6);
}

TEST(Candidates, NamesAndFiles) {
  auto names = parseCandidates({"w4a8", "f32"}, "", "");
  ASSERT_TRUE(bool(names));
  EXPECT_EQ(widthsOf((*names)[0], "any").weights, 4u);
  EXPECT_EQ(widthsOf((*names)[0], "any").activations, 8u);
  EXPECT_TRUE(widthsOf((*names)[1], "any").real());
  auto mix = parseCandidates({}, R"({"mix": {"*": {"weights": 4, "activations": 4},
    "conv?": {"weights": 3, "activations": 4}, "conv1": {"weights": 8, "activations": 8}}})",
                             "m.json");
  ASSERT_TRUE(bool(mix));
  EXPECT_EQ(widthsOf((*mix)[0], "conv1").weights, 8u);
  EXPECT_EQ(widthsOf((*mix)[0], "conv2").weights, 3u);
  EXPECT_EQ(widthsOf((*mix)[0], "fc").weights, 4u);
  EXPECT_EQ(unusedRules(*mix, {"conv1", "fc"}).size(), 0u);
  EXPECT_EQ(unusedRules(*mix, {"fc"}).size(), 2u);
}

TEST(Candidates, AllProblemsAtOnce) {
  auto bad = parseCandidates({"w9a8", "w4a4", "w4a4", "int8"}, "", "");
  ASSERT_FALSE(bool(bad));
  std::string text = llvm::toString(bad.takeError());
  for (const char *part : {"'w9a8' is unknown", "'w4a4' is given twice", "'int8' is unknown"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
  for (const char *json : {"[", "[]", R"({"a": {}})", R"({"a": {"*": {"weights": 0, "activations": 4}}})",
                           R"({"a": {"conv": {"weights": 4, "activations": 4}}})", R"({"a,b": {}})"}) {
    auto file = parseCandidates({}, json, "m.json");
    ASSERT_FALSE(bool(file)) << json;
    llvm::consumeError(file.takeError());
  }
}

TEST(Candidates, AMalformedEntryIsOneProblem) {
  auto parsed = parseCandidates({"mix"}, R"({"mix": {"*": {"weights": 9, "activations": 4}}})", "mix.json");
  EXPECT_EQ(llvm::toString(parsed.takeError()), "mix.json: candidate 'mix': pattern '*' must have \"weights\" and "
                                                "\"activations\", both from 1 to 8");
}

TEST(Candidates, TheLastPatternNamesEveryLayer) {
  auto parsed = parseCandidates(
      {"mix"}, R"({"mix": {"*": {"weights": 4, "activations": 4}, "?": {"weights": 2, "activations": 2}}})",
      "mix.json");
  ASSERT_TRUE(bool(parsed));
  EXPECT_EQ(widthsOf((*parsed)[0], "a").weights, 2u);
  EXPECT_EQ(widthsOf((*parsed)[0], "ab").weights, 4u);
}
