//===- CostTableReader.cpp - tables of costs from JSON --------------------===//

#include "anybit/Target/CPU/CostTable.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/JSON.h"

#include <cmath>

using namespace llvm;

namespace anybit::cpu {
namespace {

constexpr size_t mostBytes = 1 << 20, mostLayers = 256, mostRows = 4096;
constexpr int64_t mostSize = 1 << 20; // of a layer, in one direction
constexpr double mostNanoseconds = 1e12;

Error wrong(const Twine &message) { return createStringError("the table of costs " + message); }

/// The list `key` of an object.
Expected<const json::Array *> listOf(const json::Object &object, StringRef key, size_t most) {
  const json::Array *list = object.getArray(key);
  if (!list)
    return wrong("has no list '" + key + "'");
  if (list->empty() || list->size() > most)
    return wrong("has " + Twine(list->size()) + " '" + key + "', expected 1 to " + Twine(most));
  return list;
}

/// [groups, inputs, outputs, kernel height, kernel width, stride height, stride width, batch, height, width]
Expected<LayerShape> layerOf(const json::Value &value, size_t index) {
  LayerShape layer;
  int64_t *const sizes[] = {&layer.groups,      &layer.inputs,       &layer.outputs,     &layer.kernelHeight,
                            &layer.kernelWidth, &layer.strideHeight, &layer.strideWidth, &layer.batch,
                            &layer.height,      &layer.width};
  const json::Array *list = value.getAsArray();
  if (!list || list->size() != std::size(sizes))
    return wrong("has a layer " + Twine(index) + " that is no list of 10 numbers");
  for (auto [item, size] : zip_equal(*list, sizes)) {
    std::optional<int64_t> number = item.getAsInteger();
    if (!number || *number < 1 || *number > mostSize)
      return wrong("has a layer " + Twine(index) + " with a size that is no whole number from 1 to " + Twine(mostSize));
    *size = *number;
  }
  return layer;
}

Expected<unsigned> bitsOf(const json::Object &row, StringRef key, size_t index) {
  std::optional<int64_t> bits = row.getInteger(key);
  if (!bits || *bits < 1 || *bits > 8)
    return wrong("has a row " + Twine(index) + " without '" + key + "' from 1 to 8");
  return unsigned(*bits);
}

Error readTimes(const json::Object &object, size_t layers, size_t index, std::vector<double> &times) {
  Expected<const json::Array *> list = listOf(object, "ns", mostLayers);
  if (!list)
    return list.takeError();
  if ((*list)->size() != layers)
    return wrong("has a row " + Twine(index) + " of " + Twine((*list)->size()) + " times for " + Twine(layers) +
                 " layers");
  for (const json::Value &value : **list) {
    std::optional<double> time = value.getAsNull() ? 0.0 : value.getAsNumber();
    if (!time || !(*time >= 0 && *time <= mostNanoseconds) || (*time == 0 && !value.getAsNull()))
      return wrong("has a row " + Twine(index) + " with a time that is neither null nor above 0 and at most 1e12");
    times.push_back(*time);
  }
  if (all_of(times, [](double time) { return time == 0; }))
    return wrong("has a row " + Twine(index) + " without a time");
  return Error::success();
}

Expected<CostTable::Row> rowOf(const json::Value &value, size_t layers, size_t index) {
  const json::Object *object = value.getAsObject();
  std::optional<StringRef> text = object ? object->getString("choice") : std::nullopt;
  if (!text)
    return wrong("has a row " + Twine(index) + " without a 'choice'");
  Expected<WantedChoice> choice = parseWantedChoice(*text);
  if (!choice)
    return wrong("has a row " + Twine(index) + " with " + toString(choice.takeError()));
  if (!choice->family || !choice->vectors || choice->bytes)
    return wrong("has a row " + Twine(index) + " whose choice '" + *text + "' is no family and registers");
  Expected<unsigned> weights = bitsOf(*object, "weights", index);
  if (!weights)
    return weights.takeError();
  Expected<unsigned> inputs = bitsOf(*object, "inputs", index);
  if (!inputs)
    return inputs.takeError();
  CostTable::Row row{{*choice->family, choice->vectors}, *weights, *inputs, {}};
  if (Error error = readTimes(*object, layers, index, row.nanoseconds))
    return std::move(error);
  return row;
}

/// Bits of a stored weight; of a row.
unsigned storedBits(const CostTable::Row &row) {
  LayerShape layer;
  layer.weightBits = row.weightBits;
  return layer.storageBits();
}

} // namespace

/// VPDPBUSD makes one kernel of all widths that are stored alike: their times differ by what measurements do, the least
/// is the best of them.
void CostTable::addRow(Row row) {
  bool oneKernel = row.choice.family == lowbit::Family::Dot4 && stepForm(measured, /*pairSteps=*/0) == StepForm::Dot;
  auto isAlike = [&](const Row &other) { return other.choice == row.choice && storedBits(other) == storedBits(row); };
  auto alike = oneKernel ? find_if(times, isAlike) : times.end();
  if (alike == times.end())
    return times.push_back(std::move(row));
  for (auto [kept, time] : zip_equal(alike->nanoseconds, row.nanoseconds))
    if (kept == 0 || (time > 0 && time < kept))
      kept = time;
}

Expected<CostTable> CostTable::parse(StringRef text) {
  // The parser of LLVM calls itself for every bracket.
  if (text.size() > mostBytes || text.count('[') + text.count('{') > mostLayers + 2 * mostRows + 8)
    return wrong("is longer than any that is valid");
  Expected<json::Value> value = json::parse(text);
  if (!value)
    return wrong("is no JSON: " + toString(value.takeError()));
  const json::Object *object = value->getAsObject();
  if (!object || object->getInteger("version") != std::optional<int64_t>(1))
    return wrong("is no object of 'version' 1");
  CostTable table;
  table.targetText = object->getString("target").value_or("").str();
  Expected<CpuTarget> cpu = parseCpuTarget(table.targetText);
  if (!cpu)
    return wrong("has a 'target' that is wrong: " + toString(cpu.takeError()));
  table.measured = *cpu;
  Expected<const json::Array *> layers = listOf(*object, "layers", mostLayers);
  if (!layers)
    return layers.takeError();
  for (auto [index, item] : enumerate(**layers)) {
    Expected<LayerShape> layer = cpu::layerOf(item, index);
    if (!layer)
      return layer.takeError();
    table.shapes.push_back(*layer);
  }
  Expected<const json::Array *> rows = listOf(*object, "rows", mostRows);
  if (!rows)
    return rows.takeError();
  for (auto [index, item] : enumerate(**rows)) {
    Expected<Row> row = rowOf(item, table.shapes.size(), index);
    if (!row)
      return row.takeError();
    table.addRow(std::move(*row));
  }
  return table;
}

} // namespace anybit::cpu
