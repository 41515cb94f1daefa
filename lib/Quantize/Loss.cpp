//===- Loss.cpp -----------------------------------------------------------===//
#include "Loss.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace llvm;

namespace anybit::quantize {

namespace {

bool isDistribution(ArrayRef<float> row) {
  double sum = 0;
  for (float value : row) {
    if (!(value >= 0))
      return false;
    sum += value;
  }
  return std::fabs(sum - 1) < 1e-3;
}

bool areDistributions(const Batch &batch) {
  for (size_t row = 0; row < batch.rows; ++row)
    if (!isDistribution(batch.row(row)))
      return false;
  return true;
}

/// Logarithms of probabilities; `logits` says that `row` has no softmax yet.
std::vector<double> logProbabilities(ArrayRef<float> row, bool logits) {
  std::vector<double> result;
  if (!logits) {
    for (float value : row)
      result.push_back(std::log(std::max(double(value), 1e-12)));
    return result;
  }
  double largest = *std::max_element(row.begin(), row.end()), sum = 0;
  for (float value : row)
    sum += std::exp(value - largest);
  for (float value : row)
    result.push_back(value - largest - std::log(sum));
  return result;
}

size_t best(ArrayRef<float> row) { return std::max_element(row.begin(), row.end()) - row.begin(); }

Distance classify(const Batch &expected, const Batch &actual) {
  bool logits = !areDistributions(expected);
  Distance distance;
  size_t count = 0;
  for (size_t row = 0; row < expected.rows; ++row) {
    if (hasHeldOut(expected.rows) && !isHeldOut(row, expected.rows))
      continue;
    std::vector<double> p = logProbabilities(expected.row(row), logits), q = logProbabilities(actual.row(row), logits);
    for (size_t i = 0; i < p.size(); ++i)
      distance.loss += std::exp(p[i]) * (p[i] - q[i]);
    distance.agreement += best(expected.row(row)) == best(actual.row(row));
    ++count;
  }
  return {distance.loss / double(count), distance.agreement / double(count)};
}

/// Squared error over variance of one output.
double relativeError(const Batch &expected, const Batch &actual) {
  double sum = 0, squares = 0, error = 0;
  size_t count = 0;
  for (size_t row = 0; row < expected.rows; ++row) {
    if (hasHeldOut(expected.rows) && !isHeldOut(row, expected.rows))
      continue;
    for (auto [e, a] : llvm::zip_equal(expected.row(row), actual.row(row))) {
      sum += e;
      squares += double(e) * e;
      error += (double(e) - a) * (double(e) - a);
    }
    count += expected.stride();
  }
  double variance = squares - sum * sum / double(std::max<size_t>(count, 1));
  return error / std::max(variance, std::numeric_limits<double>::min());
}

} // namespace

Task taskOf(ArrayRef<Batch> inputs, ArrayRef<Batch> outputs) {
  bool vector = outputs.size() == 1 && outputs[0].dims.size() == 2 && outputs[0].dims[0] == 1 && outputs[0].dims[1] > 1;
  // An output shaped like the input is a reconstruction of it.
  bool mirrors = llvm::any_of(inputs, [&](const Batch &input) { return vector && input.dims == outputs[0].dims; });
  return vector && !mirrors ? Task::Classify : Task::Regress;
}

Distance compare(Task task, ArrayRef<Batch> expected, ArrayRef<Batch> actual) {
  if (task == Task::Classify)
    return classify(expected[0], actual[0]);
  Distance distance;
  for (auto [e, a] : llvm::zip_equal(expected, actual))
    distance.loss += relativeError(e, a) / double(expected.size());
  distance.agreement = std::max(0.0, 1 - distance.loss);
  return distance;
}

} // namespace anybit::quantize
