#include "anybit/Target/CPU/KernelChoice.h"
#include "AmxRows.h"
#include "anybit/Target/CPU/Kernels.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cmath>

using namespace mlir;

namespace anybit::cpu {

using lowbit::Family;

LayerShape LayerShape::of(lowbit::ConvOp op) {
  LayerShape layer;
  auto weights = cast<RankedTensorType>(op.getWeights().getType());
  auto output = cast<RankedTensorType>(op.getOutputs().front().getType());
  bool flat = weights.getRank() == 3;
  layer.real = op.isReal();
  layer.groups = op.getGroups();
  layer.inputs = weights.getDimSize(1);
  layer.outputs = weights.getDimSize(0) / layer.groups;
  layer.kernelHeight = flat ? 1 : weights.getDimSize(2);
  layer.kernelWidth = weights.getShape().back();
  layer.strideHeight = flat ? 1 : op.getStrides().front();
  layer.strideWidth = op.getStrides().back();
  layer.batch = output.getDimSize(0);
  layer.height = flat ? 1 : output.getDimSize(2);
  layer.width = output.getShape().back();
  if (layer.real)
    return layer;
  msq::FormatAttr format = *op.getWeightFormat();
  int32_t zero = int32_t(op.getWeightZero());
  layer.weightBits = format.getBits();
  layer.inputBits = cpu::inputBits(op);
  unsigned planes = anybit_weight_planes(uint32_t(format.getKind()), layer.weightBits, zero);
  layer.fitsBytes = planes == 1;
  layer.planes = layer.storageBits() == 8 ? planes : 1;
  layer.hasPlanes = format.getKind() != msq::FormatKind::Unsigned;
  return layer;
}

llvm::Expected<WantedChoice> parseWantedChoice(StringRef text) {
  WantedChoice wanted;
  auto [name, rest] = text.split(':');
  auto [count, storage] = rest.split(':');
  std::optional<Family> family = lowbit::symbolizeFamily(name);
  bool isDepthwise = family == Family::Depthwise;
  if (!name.empty() && (!family || isDepthwise))
    return llvm::createStringError("unknown kernel family '" + name + "', expected dot4, amx, popcount, table or real");
  bool counted = text.contains(':');
  int64_t most = family == Family::Table ? 16 : 4;
  wanted.bytes = rest.contains(':');
  if (wanted.bytes && storage != "bytes")
    return llvm::createStringError("unknown storage of weights '" + storage + "', expected bytes");
  if (counted && (!llvm::to_integer(count, wanted.vectors, 10) || wanted.vectors < 1 || wanted.vectors > most))
    return llvm::createStringError("'" + count + "' registers of columns, expected 1 to " + Twine(most));
  wanted.family = family;
  return wanted;
}

std::string toString(const KernelChoice &choice) {
  return (lowbit::stringifyFamily(choice.family) + ":" + Twine(choice.vectors) + (choice.bytes ? ":bytes" : "")).str();
}

lowbit::ChoiceAttr toAttribute(MLIRContext *context, const KernelChoice &choice, StringRef reason, double nanoseconds) {
  return lowbit::ChoiceAttr::get(context, choice.family, choice.vectors, choice.bytes, std::llround(nanoseconds),
                                 reason);
}

KernelChoice fromAttribute(lowbit::ChoiceAttr choice) {
  return {choice.getFamily(), choice.getVectors(), choice.getBytes()};
}

StepForm formOf(const LayerShape &layer, const CpuTarget &target) {
  bool fits = layer.planes == 1 && layer.weightBits + layer.inputBits < 16;
  if (layer.real)
    return StepForm::Real;
  StepForm form = stepForm(target, fits);
  bool evenWindows = layer.inputs % 2 == 0 || (layer.groups == 1 && layer.strideWidth % 2 == 0);
  return form == StepForm::Words && evenWindows ? StepForm::WideWords : form;
}

/// Pairs of planes beyond which counting is never considered.
static constexpr unsigned mostPairsOfPlanes = 8;

/// Positions of the input that are cut into planes or become tables: a kernel of one position skips what lies between
/// its strides.
static int64_t rewrittenPositions(const LayerShape &layer) {
  return layer.positions() * (layer.taps() == 1 ? 1 : layer.strideHeight * layer.strideWidth) * layer.groups;
}

/// Passes over tables (planes of weights by digits of codes), bytes of all tables of a layer, and of the indices that a
/// thread has in its scratch, beyond which tables are never considered.
static constexpr unsigned mostTablePasses = 4;
static constexpr int64_t mostTableBytes = 16 << 20, mostIndexBytes = 1 << 20;

static bool hasTables(const LayerShape &layer, const CpuTarget &target, int64_t vectors) {
  TableForm form = tableForm(target, vectors);
  int64_t digits = tableDigits(target, vectors, layer.inputBits), channels = tableChannels(form),
          tables = llvm::divideCeil(layer.inputs, channels);
  int64_t indexBytes =
      form == TableForm::Dot ? 0 : layer.weightBits * layer.taps() * tables * vectors * int64_t(target.lanes32());
  return layer.weightBits * digits <= mostTablePasses && indexBytes <= mostIndexBytes &&
         rewrittenPositions(layer) * tables * (int64_t(1) << channels) * digits <= mostTableBytes;
}

/// A register of bytes is four of columns, and two of them are a block at most, four of tables of six channels.
static void addTables(const LayerShape &layer, const CpuTarget &target, int64_t registers,
                      SmallVector<KernelChoice> &choices) {
  if (layer.real || !layer.hasPlanes || !target.shufflesBytes)
    return;
  int64_t least = target.permutesBytes ? 1 : 4, most = target.permutesBytes ? 16 : 8;
  for (int64_t vectors = most; vectors >= least; vectors /= 2)
    if ((vectors == least || vectors / 2 < registers) && hasTables(layer, target, vectors))
      choices.push_back({Family::Table, vectors});
}

/// Bytes cost nothing but memory where products are the same for all widths: VPDPBUSD and tiles.
static void addBytes(const LayerShape &layer, const CpuTarget &target, SmallVector<KernelChoice> &choices) {
  if (layer.real || !layer.fitsBytes || layer.storageBits() == 8)
    return;
  for (KernelChoice choice : SmallVector<KernelChoice>(choices)) {
    bool isDot = choice.family == Family::Dot4 && formOf(layer, target) == StepForm::Dot;
    choice.bytes = true;
    if (isDot || choice.family == Family::Amx)
      choices.push_back(choice);
  }
}

SmallVector<KernelChoice> enumerateChoices(const LayerShape &layer, const CpuTarget &target) {
  if (layer.isDepthwise() && (layer.real || layer.planes == 1))
    return {{Family::Depthwise, 1}};
  int64_t registers = llvm::divideCeil(layer.outputs, int64_t(target.lanes32()));
  SmallVector<KernelChoice> choices;
  auto add = [&](Family family, int64_t byRule) {
    choices.push_back({family, byRule});
    for (int64_t vectors : {1, 2, 4})
      if (vectors != byRule && vectors <= registers)
        choices.push_back({family, vectors});
  };
  int64_t byRule = chooseVectors(target, formOf(layer, target), layer.outputs, layer.positions());
  add(layer.real ? Family::Real : Family::Dot4, byRule);
  // A tile has 16 columns.
  if (!layer.real && target.tileRate > 0)
    for (int64_t vectors = std::min<int64_t>(registers, 2); vectors > 0; --vectors)
      choices.push_back({Family::Amx, vectors});
  if (!layer.real && layer.hasPlanes && layer.weightBits * layer.inputBits <= mostPairsOfPlanes)
    add(Family::Popcount, std::min<int64_t>(registers, 4));
  addTables(layer, target, registers, choices);
  addBytes(layer, target, choices);
  return choices;
}

/// What a tile does once for each of its registers: convert, scale, round, store.
static constexpr double epilogueWork = 12;

/// Blocks of columns in all groups.
static int64_t blocksOf(const LayerShape &layer, const KernelChoice &choice, const CpuTarget &target) {
  return layer.groups * llvm::divideCeil(layer.outputs, choice.vectors * int64_t(target.lanes32()));
}

static double tileWork(const LayerShape &layer, const KernelChoice &choice, const CpuTarget &target) {
  StepForm form = formOf(layer, target);
  int64_t rows = chooseRows(target, form, choice.vectors, layer.positions());
  int64_t blocks = blocksOf(layer, choice, target);
  int64_t tiles = blocks * llvm::divideCeil(layer.positions(), rows);
  bool inRuns = !layer.real && layer.groups == 1 && layer.inputs % 4 != 0;
  int64_t runs = inRuns ? layer.kernelHeight : layer.taps(),
          run = inRuns ? layer.kernelWidth * layer.inputs : layer.inputs;
  int64_t steps = runs * llvm::divideCeil(run, layer.real ? 1 : 4) * layer.planes;
  double widening = layer.real || layer.storageBits() == 8 ? 0 : 2.0 * double(steps * blocks * choice.vectors);
  return double(tiles) *
             (double(steps) * stepCost(form, rows, choice.vectors) + epilogueWork * double(rows * choice.vectors)) +
         widening;
}

static double countingWork(const LayerShape &layer, const KernelChoice &choice, const CpuTarget &target) {
  int64_t rows = countingRows(target, choice.vectors, layer.positions());
  int64_t words = layer.taps() * llvm::divideCeil(layer.inputs, 32);
  int64_t tiles = blocksOf(layer, choice, target) * llvm::divideCeil(layer.positions(), rows);
  double word = double(3 * rows * choice.vectors + rows + choice.vectors);
  double perTile =
      double(layer.weightBits * layer.inputBits * words) * word + epilogueWork * double(rows * choice.vectors);
  double cut = double(rewrittenPositions(layer) * llvm::divideCeil(layer.inputs, 32));
  return double(tiles) * perTile + cut * (2 + 3.0 * layer.inputBits);
}

/// Lookups and additions, what bytes become where they and 16 bits are full, and building of the tables.
static double lookupWork(const LayerShape &layer, const KernelChoice &choice, const CpuTarget &target) {
  int64_t blocks = blocksOf(layer, choice, target), digits = tableDigits(target, choice.vectors, layer.inputBits);
  int64_t rows = tableRows(target, choice.vectors, layer.inputBits, layer.positions());
  int64_t tiles = blocks * llvm::divideCeil(layer.positions(), rows);
  TableForm form = tableForm(target, choice.vectors);
  bool six = form == TableForm::Six, dots = form == TableForm::Dot;
  int64_t tables = llvm::divideCeil(layer.inputs, tableChannels(form)),
          steps = dots ? 2 * llvm::divideCeil(tables, 8) : tables;
  int64_t vectors = dots ? choice.vectors : choice.vectors / 4;
  double widening = dots ? 0 : 3.0 / double((six ? 42 : 63) / ((1 << std::min(layer.inputBits, 4U)) - 1));
  double step = double(rows * vectors) * (2 + widening) + double(rows + vectors);
  double passes = double(layer.weightBits * digits);
  double perTile = passes * (double(layer.taps() * steps) * step + (dots ? 0.0 : 8.0 * double(rows * vectors))) +
                   epilogueWork * double(rows * choice.vectors);
  double build = (six ? 6.0 : 4.0) * double(rewrittenPositions(layer) * tables * digits);
  double expand = 3.0 * double(layer.weightBits * blocks * layer.taps() * steps * vectors);
  return double(tiles) * perTile + build + expand;
}

double workOf(const LayerShape &layer, const KernelChoice &choice, const CpuTarget &target) {
  switch (choice.family) {
  case Family::Amx:
    return amxWork(layer, choice.vectors * int64_t(target.lanes32()));
  case Family::Popcount:
    return countingWork(layer, choice, target);
  case Family::Table:
    return lookupWork(layer, choice, target);
  default:
    return tileWork(layer, choice, target);
  }
}

double nominalRate(Family family, const CpuTarget &target) {
  if (family == Family::Amx)
    return target.tileRate;
  // One lookup a cycle, or two of 256 bits.
  if (family == Family::Table)
    return target.vectorBits == 256 ? 2 : 1;
  return (family == Family::Popcount ? target.countRate : target.productRate) / target.lanes32();
}

} // namespace anybit::cpu
