//===- Sensitivity.cpp ----------------------------------------------------===//
#include "Sensitivity.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Parallel.h"

#include <algorithm>
#include <numeric>

using namespace llvm;

namespace anybit::quantize {

namespace {

/// The network runs once for each site.
constexpr size_t samplesOfEach = 4;
constexpr double remainingShare = 0.25;
constexpr size_t sitesOfOneReal = 16;

/// The float network but for the codes of one site.
class OneSitePolicy : public FloatPolicy {
public:
  OneSitePolicy(const Network &network, unsigned site, const SiteChoice &choice)
      : FloatPolicy(network), site(site), choice(choice) {}

  void code(unsigned index, StringRef, Batch &values) override {
    if (site == index)
      parallelFor(0, values.rows, [&](size_t row) { fakeQuantize(values.row(row), choice); });
  }

private:
  unsigned site;
  SiteChoice choice;
};

/// A few samples, none of them held out: every fourth is, and these are multiples of four.
std::vector<Batch> fewOf(ArrayRef<Batch> inputs) {
  std::vector<Batch> result;
  for (const Batch &input : inputs) {
    size_t count = std::min(input.rows, samplesOfEach);
    Batch part{input.dims, count, {}};
    for (size_t i = 0; i < count; ++i)
      llvm::append_range(part.values, input.row(i * input.rows / count / 4 * 4));
    result.push_back(std::move(part));
  }
  return result;
}

} // namespace

Expected<std::vector<double>> lossOfEachSite(const Network &network, Simulator &simulator, ArrayRef<Batch> inputs,
                                             Task task, ArrayRef<SiteChoice> choices) {
  std::vector<Batch> some = fewOf(inputs);
  FloatPolicy allReal(network);
  Expected<std::vector<Batch>> expected = simulator.run(some, allReal);
  if (!expected)
    return expected.takeError();
  std::vector<double> losses(choices.size());
  for (unsigned site = 0; site < choices.size(); ++site) {
    if (choices[site].real)
      continue;
    OneSitePolicy policy(network, site, choices[site]);
    Expected<std::vector<Batch>> actual = simulator.run(some, policy);
    if (!actual)
      return actual.takeError();
    losses[site] = compare(task, *expected, *actual).loss;
  }
  return losses;
}

std::vector<size_t> costliest(ArrayRef<double> losses) {
  std::vector<size_t> order(losses.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::stable_sort(order, [&](size_t a, size_t b) { return losses[a] > losses[b]; });
  double total = std::accumulate(losses.begin(), losses.end(), 0.0), rest = total;
  size_t count = 0;
  while (count < losses.size() / sitesOfOneReal && rest > remainingShare * total)
    rest -= losses[order[count++]];
  order.resize(count);
  return order;
}

} // namespace anybit::quantize
