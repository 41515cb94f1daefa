//===- Statistics.cpp -----------------------------------------------------===//
#include "Statistics.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Parallel.h"

#include <algorithm>
#include <cmath>

using namespace llvm;

namespace anybit::quantize {

namespace {

constexpr double noNoise = 300;

/// Channels of less than this part of the median variance are dead.
constexpr double deadVariance = 1e-6;

double decibel(double signal, double noise) {
  return noise > 0 && signal > 0 ? std::min(noNoise, 10 * std::log10(signal / noise)) : noNoise;
}

std::vector<size_t> calibrationRows(const Batch &batch) {
  std::vector<size_t> rows;
  for (size_t row = 0; row < batch.rows; ++row)
    if (!isHeldOut(row, batch.rows))
      rows.push_back(row);
  return rows;
}

/// Statistics look at this many values of a tensor, or of a channel, spread over all samples: enough for three digits.
constexpr size_t valuesOfTensor = size_t(1) << 21, valuesOfChannel = size_t(1) << 16;
/// A channel's loss is only held against a tenth.
constexpr size_t valuesOfLoss = size_t(1) << 12;

/// A step through `count` values that takes about `wanted` of them; odd, so that it does not follow a picture's
/// columns.
size_t stepOf(size_t count, size_t wanted) { return std::max<size_t>(1, count / wanted) | 1; }

/// Sums and sums of squares of each channel of one row, interleaved, and at the end the number of values of a channel.
std::vector<double> rowSums(ArrayRef<float> row, const ChannelShape &shape, size_t step) {
  std::vector<double> sums(2 * shape.channels + 1);
  const float *values = row.data();
  for (size_t block = 0; block < shape.outer * shape.channels; ++block, values += shape.inner) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < shape.inner; i += step) {
      sum += values[i];
      squares += double(values[i]) * values[i];
    }
    sums[2 * (block % shape.channels)] += sum;
    sums[2 * (block % shape.channels) + 1] += squares;
  }
  sums.back() = double(shape.outer) * double((shape.inner + step - 1) / step);
  return sums;
}

/// A part of the values of `batch`, from all samples that are not held out.
std::vector<float> sampleOf(const Batch &batch) {
  std::vector<size_t> rows = calibrationRows(batch);
  size_t step = stepOf(rows.size() * batch.stride(), valuesOfTensor), begin = 0;
  std::vector<float> values;
  for (size_t row : rows) {
    size_t i = begin;
    for (; i < batch.stride(); i += step)
      values.push_back(batch.row(row)[i]);
    begin = i - batch.stride();
  }
  return values;
}

struct Range {
  float low = 0, high = 0;
  void add(float value) {
    if (std::isfinite(value)) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
};

} // namespace

Moments momentsOf(const Batch &batch, const ChannelShape &shape) {
  std::vector<size_t> rows = calibrationRows(batch);
  std::vector<std::vector<double>> sums(rows.size());
  size_t step = std::min(stepOf(rows.size() * shape.outer * shape.inner, valuesOfChannel), shape.inner);
  parallelFor(0, rows.size(), [&](size_t i) { sums[i] = rowSums(batch.row(rows[i]), shape, step); });
  Moments moments;
  for (size_t c = 0; c < shape.channels; ++c) {
    double sum = 0, squares = 0, count = 0;
    for (const std::vector<double> &row : sums) {
      sum += row[2 * c];
      squares += row[2 * c + 1];
      count += row.back();
    }
    moments.mean.push_back(sum / count);
    moments.variance.push_back(std::max(0.0, squares / count - (sum / count) * (sum / count)));
  }
  return moments;
}

Histogram histogramOf(ArrayRef<const Batch *> now, ArrayRef<const Histogram *> later) {
  Range all;
  std::vector<std::vector<float>> samples;
  for (const Batch *batch : now)
    samples.push_back(sampleOf(*batch));
  for (const std::vector<float> &values : samples)
    for (float value : values)
      all.add(value);
  for (const Histogram *other : later) {
    all.add(other->low());
    all.add(other->high());
  }
  Histogram histogram(all.low, all.high);
  for (const std::vector<float> &values : samples)
    histogram.add(values);
  for (const Histogram *other : later)
    histogram.add(*other);
  return histogram;
}

double sqnrOf(const Histogram &histogram, const SiteChoice &choice) {
  std::vector<float> values, counts;
  histogram.collect(values, counts);
  std::vector<float> coded = values;
  fakeQuantize(MutableArrayRef<float>(coded), choice);
  double signal = 0, noise = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    signal += counts[i] * double(values[i]) * values[i];
    noise += counts[i] * (double(coded[i]) - values[i]) * (double(coded[i]) - values[i]);
  }
  return decibel(signal, noise);
}

double sqnrOf(ArrayRef<float> values, ArrayRef<float> coded) {
  double signal = 0, noise = 0;
  for (auto [value, code] : llvm::zip_equal(values, coded)) {
    signal += double(value) * value;
    noise += (double(code) - value) * (double(code) - value);
  }
  return decibel(signal, noise);
}

namespace {

/// Sums of one channel, for its variance and its mean squared error.
struct ChannelSums {
  double sum = 0, squares = 0, error = 0, count = 0;

  void add(ArrayRef<float> values, ArrayRef<float> coded) {
    for (auto [value, code] : llvm::zip_equal(values, coded)) {
      sum += value;
      squares += double(value) * value;
      error += (double(code) - value) * (double(code) - value);
    }
    count += double(values.size());
  }
  double variance() const { return std::max(0.0, squares / count - (sum / count) * (sum / count)); }
  double loss() const { return std::min(1.0, error / count / variance()); }
};

} // namespace

double channelLoss(const Batch &batch, const Histogram &histogram, const SiteChoice &choice,
                   const FunctionValues &functions) {
  if (batch.dims.size() < 3)
    return 0;
  size_t channels = batch.dims[1], inner = batch.stride() / channels;
  std::vector<size_t> rows = calibrationRows(batch);
  size_t step = std::min(stepOf(rows.size() * inner, valuesOfLoss), inner);
  std::vector<ChannelSums> sums(channels);
  parallelFor(0, channels, [&](size_t channel) {
    std::vector<float> values, coded;
    for (size_t row : rows)
      for (size_t i = 0; i < inner; i += step)
        values.push_back(batch.row(row)[channel * inner + i]);
    coded = values;
    fakeQuantize(MutableArrayRef<float>(coded), choice);
    if (functions.empty())
      return sums[channel].add(values, coded);
    auto through = [&](const std::vector<float> &function, std::vector<float> operands) {
      for (float &operand : operands)
        operand = histogram.interpolate(function, operand);
      return operands;
    };
    for (const std::vector<float> &function : functions)
      sums[channel].add(through(function, values), through(function, coded));
  });
  std::vector<double> variances;
  for (const ChannelSums &channel : sums)
    variances.push_back(channel.variance());
  std::nth_element(variances.begin(), variances.begin() + channels / 2, variances.end());
  double floor = deadVariance * variances[channels / 2], total = 0;
  size_t alive = 0;
  for (const ChannelSums &channel : sums)
    if (channel.variance() > floor) {
      total += channel.loss();
      ++alive;
    }
  return alive ? total / double(alive) : 0;
}

double kurtosisOf(ArrayRef<float> values) {
  double mean = 0, second = 0, fourth = 0;
  for (float value : values)
    mean += value / double(values.size());
  for (float value : values) {
    double square = (value - mean) * (value - mean);
    second += square / double(values.size());
    fourth += square * square / double(values.size());
  }
  return second > 0 ? fourth / (second * second) : 0;
}

} // namespace anybit::quantize
