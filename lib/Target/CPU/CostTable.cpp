#include "anybit/Target/CPU/CostTable.h"
#include "CostData.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <limits>

using namespace llvm;

namespace anybit::cpu {

using lowbit::Family;

ArrayRef<CostTable> CostTable::shipped() {
  static const std::vector<CostTable> tables = [] {
    std::vector<CostTable> all;
    for (StringRef text : costData())
      all.push_back(cantFail(parse(text), "a table of costs that is part of the compiler is not valid"));
    return all;
  }();
  return tables;
}

bool CostTable::isOf(const CpuTarget &target) const {
  return target.dot == measured.dot && target.vectorBits == measured.vectorBits &&
         target.productRate == measured.productRate && target.countRate == measured.countRate &&
         target.countsWords == measured.countsWords && target.tileRate == measured.tileRate &&
         target.wordPairs == measured.wordPairs && target.shufflesBytes == measured.shufflesBytes &&
         target.permutesBytes == measured.permutesBytes;
}

/// How unlike two CPUs are for kernels: first what products are made of, then how wide, then what looks sums up, then
/// how fast.
static double unlikeness(const CpuTarget &a, const CpuTarget &b) {
  double rates = std::abs(std::log2(a.productRate / b.productRate)) + std::abs(std::log2(a.countRate / b.countRate));
  return (a.dot != b.dot ? 100 : 0) + (a.vectorBits != b.vectorBits ? 30 : 0) +
         (a.shufflesBytes != b.shufflesBytes ? 20 : 0) + (a.permutesBytes != b.permutesBytes ? 20 : 0) +
         (a.countsWords != b.countsWords ? 10 : 0) + ((a.tileRate > 0) != (b.tileRate > 0) ? 5 : 0) + rates;
}

const CostTable &CostTable::nearest(const CpuTarget &target) {
  auto distance = [&](const CostTable &table) { return unlikeness(table.measured, target); };
  ArrayRef<CostTable> all = shipped();
  return *std::min_element(all.begin(), all.end(),
                           [&](const CostTable &a, const CostTable &b) { return distance(a) < distance(b); });
}

LayerShape CostTable::layerOf(const Row &row, size_t index) const {
  LayerShape layer = shapes[index];
  layer.real = row.choice.family == Family::Real;
  layer.weightBits = row.weightBits;
  layer.inputBits = row.inputBits;
  return layer;
}

/// Between the formats of a row and of a layer, for the family of the row on the CPU of the table.
static double formatDistance(const CostTable::Row &row, const LayerShape &layer, const CpuTarget &cpu) {
  auto ratio = [](double a, double b) { return std::abs(std::log2(a / b)); };
  if (row.choice.family == Family::Popcount)
    return ratio(row.weightBits * row.inputBits, layer.weightBits * layer.inputBits) +
           0.25 * ratio(row.inputBits, layer.inputBits);
  if (row.choice.family == Family::Table)
    return ratio(row.weightBits * tableDigits(cpu, row.choice.vectors, row.inputBits),
                 layer.weightBits * tableDigits(cpu, row.choice.vectors, layer.inputBits)) +
           0.25 * ratio(row.inputBits, layer.inputBits);
  LayerShape measured = layer;
  measured.planes = 1;
  measured.weightBits = row.weightBits;
  measured.inputBits = row.inputBits;
  bool sameForm = formOf(measured, cpu) == formOf(layer, cpu);
  // Of rows with the same kernels that of the very widths.
  double widths = ratio(row.weightBits, layer.weightBits) + ratio(row.inputBits, layer.inputBits);
  return 4 * ratio(measured.storageBits(), layer.storageBits()) + (sameForm ? 0 : 20) + 0.01 * widths;
}

const CostTable::Row *CostTable::findRow(const LayerShape &layer, const KernelChoice &choice) const {
  const Row *best = nullptr;
  double least = std::numeric_limits<double>::infinity();
  for (const Row &row : times) {
    // Tables of four and of six channels are read by other instructions.
    if (row.choice.family != choice.family ||
        tableForm(measured, row.choice.vectors) != tableForm(measured, choice.vectors))
      continue;
    double distance =
        formatDistance(row, layer, measured) + 0.5 * std::abs(double(row.choice.vectors - choice.vectors));
    if (distance < least)
      std::tie(best, least) = std::pair(&row, distance);
  }
  return best;
}

/// The square of the distance between two layers: in octaves of what the loops run over.
static double shapeDistance(const LayerShape &a, const LayerShape &b) {
  auto square = [](double x, double y) { return std::log2(x / y) * std::log2(x / y); };
  return square(a.inputs, b.inputs) + square(a.outputs, b.outputs) + square(a.positions(), b.positions()) +
         square(a.taps(), b.taps()) + square(a.groups, b.groups) +
         square(a.strideHeight * a.strideWidth, b.strideHeight * b.strideWidth);
}

std::optional<double> CostTable::nanoseconds(const LayerShape &layer, const KernelChoice &choice,
                                             const CpuTarget &target) const {
  if (choice.bytes) {
    LayerShape eightBits = layer;
    eightBits.weightBits = 8;
    return nanoseconds(eightBits, {choice.family, choice.vectors}, target);
  }
  const Row *row = findRow(layer, choice);
  if (!row)
    return std::nullopt;
  // Shepard's interpolation of the logarithm of the time of an instruction.
  double sum = 0, weights = 0;
  for (auto [i, time] : enumerate(row->nanoseconds)) {
    if (time == 0)
      continue;
    double value = std::log(time / workOf(layerOf(*row, i), row->choice, measured));
    double distance = shapeDistance(shapes[i], layer), weight = 1 / (distance * distance + 1e-9);
    sum += weight * value;
    weights += weight;
  }
  double scale = nominalRate(choice.family, measured) / nominalRate(choice.family, target);
  return scale * workOf(layer, choice, target) * std::exp(sum / weights);
}

/// Nanoseconds that narrow weights take longer to read as bytes. Layers are measured alone, with their weights in the
/// second cache; in a network those come from the third one or from memory, here at what one core reads of 8 MiB.
static double readingBytes(const LayerShape &layer) {
  constexpr double bytesInNanosecond = 24;
  double weights = double(layer.groups * layer.outputs * layer.inputs * layer.taps());
  return weights * (8 - layer.storageBits()) / 8 / bytesInNanosecond;
}

ChosenKernel chooseLeast(ChoiceCosts costs, const LayerShape &layer, StringRef source) {
  double reading = readingBytes(layer);
  auto priceOf = [&](const auto &cost) { return cost.second + (cost.first.bytes ? reading : 0); };
  stable_sort(costs, [&](const auto &a, const auto &b) { return priceOf(a) < priceOf(b); });
  std::string times;
  SmallVector<Family> named;
  for (const auto &[choice, nanoseconds] : costs) {
    if (is_contained(named, choice.family))
      continue;
    times += formatv("{0}{1} {2:f4} ms", named.empty() ? "" : ", ", toString(choice), 1e-6 * nanoseconds).str();
    named.push_back(choice.family);
  }
  return {costs.front().first, times + " (" + source.str() + ")", costs.front().second};
}

ChosenKernel chooseKernel(const LayerShape &layer, const CpuTarget &target, const WantedChoice &wanted) {
  SmallVector<KernelChoice> all = enumerateChoices(layer, target), admitted;
  copy_if(all, std::back_inserter(admitted), [&](const KernelChoice &choice) { return wanted.admits(choice); });
  bool isForced = !admitted.empty() && admitted.size() < all.size();
  if (!admitted.empty())
    all = admitted;
  std::string first = toString(all.front());
  const CostTable &table = CostTable::nearest(target);
  if (all.size() == 1)
    return {all.front(), first + (isForced ? ", forced" : ", the only choice"),
            table.nanoseconds(layer, all.front(), target).value_or(0)};
  ChoiceCosts costs;
  for (const KernelChoice &choice : all)
    if (std::optional<double> cost = table.nanoseconds(layer, choice, target))
      costs.emplace_back(choice, *cost);
  if (costs.empty())
    return {all.front(), first + " by rule, not measured"};
  return chooseLeast(
      std::move(costs), layer,
      ((isForced ? "forced, " : "") + Twine(table.isOf(target) ? "" : "nearest ") + "table " + table.name()).str());
}

std::optional<int64_t> claimOf(int64_t grid, double nanoseconds) {
  // A dispatch of two threads takes 0.4 to 1.8 µs more than one of one, and what they write lies in two caches.
  constexpr double least = 2500;
  if (grid < 2 || nanoseconds < 2 * least)
    return std::nullopt;
  return std::max<int64_t>(1, int64_t(double(grid) * least / nanoseconds));
}

} // namespace anybit::cpu
