//===- CostTableTest.cpp - tables of costs and choices --------------------===//

#include "anybit/Target/CPU/CostTable.h"
#include "CostData.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

#include <gtest/gtest.h>

using namespace anybit;
using namespace anybit::cpu;
using lowbit::Family;

namespace {

CpuTarget targetOf(llvm::StringRef text) { return llvm::cantFail(parseCpuTarget(text)); }

LayerShape layerOf(int64_t inputs, int64_t outputs, int64_t kernel, int64_t size, unsigned weights,
                   unsigned codes) {
  LayerShape layer;
  layer.inputs = inputs;
  layer.outputs = outputs;
  layer.kernelHeight = layer.kernelWidth = kernel;
  layer.height = layer.width = size;
  layer.weightBits = weights;
  layer.inputBits = codes;
  return layer;
}

std::string problemOf(llvm::StringRef json) {
  llvm::Expected<CostTable> table = CostTable::parse(json);
  return table ? "" : llvm::toString(table.takeError());
}

/// A table of two layers and one row; the arguments replace its parts.
std::string tableText(llvm::StringRef head = R"("version": 1, "target": "x86-64")",
                      llvm::StringRef layers = "[1, 64, 64, 3, 3, 1, 1, 1, 14, 14], [1, 8, 8, 1, 1, 1, 1, 1, 1, 1]",
                      llvm::StringRef row = R"("choice": "dot4:2", "weights": 8, "inputs": 8, "ns": [1000, null])") {
  return llvm::formatv("{{{0}, \"layers\": [{1}], \"rows\": [{{{2}}]}", head, layers, row).str();
}

TEST(CostTable, ReadsATable) {
  llvm::Expected<CostTable> table = CostTable::parse(tableText());
  ASSERT_TRUE(bool(table)) << llvm::toString(table.takeError());
  ASSERT_EQ(table->rows().size(), 1u);
  EXPECT_EQ(table->rows()[0].choice, (KernelChoice{Family::Dot4, 2}));
  EXPECT_EQ(table->layers()[0].kernelWidth, 3);
  EXPECT_TRUE(table->isOf(targetOf("x86-64")));
  EXPECT_FALSE(table->isOf(targetOf("x86-64-v3")));
}

TEST(CostTable, SaysWhatIsWrong) {
  const std::string layers = "[1, 64, 64, 3, 3, 1, 1, 1, 14, 14]", head = R"("version": 1, "target": "x86-64")";
  auto row = [&](llvm::StringRef text) { return tableText(head, layers, text); };
  const std::pair<std::string, const char *> cases[] = {
      {"", "no JSON"},
      {"[]", "'version' 1"},
      {std::string(100000, '['), "longer than any"},
      {std::string(2 << 20, ' '), "longer than any"},
      {tableText(R"("version": 2, "target": "x86-64")"), "'version' 1"},
      {tableText(R"("version": "1", "target": "x86-64")"), "'version' 1"},
      {tableText(R"("version": 1, "target": "z80")"), "unknown target cpu 'z80'"},
      {tableText(R"("version": 1, "target": 5)"), "unknown target cpu ''"},
      {tableText(head, ""), "0 'layers'"},
      {tableText(head, "[1, 64, 64, 3, 3, 1, 1, 14, 14]"), "no list of 10 numbers"},
      {tableText(head, "7"), "no list of 10 numbers"},
      {tableText(head, "[1, 64, 64, 3, 3, 1, 1, 1, 14, 0]"), "whole number from 1"},
      {tableText(head, "[1, 64, 64, 3, 3, 1, 1, 1, 14, 1e300]"), "whole number from 1"},
      {tableText(head, "[1, 64, 64, 3, 3, 1, 1, 1, 14, 1.5]"), "whole number from 1"},
      {row(R"("weights": 8)"), "without a 'choice'"},
      {row(R"("choice": "lut:2", "weights": 8, "inputs": 8, "ns": [1])"), "unknown kernel family 'lut'"},
      {row(R"("choice": "dot4:9", "weights": 8, "inputs": 8, "ns": [1])"), "expected 1 to 4"},
      {row(R"("choice": "dot4", "weights": 8, "inputs": 8, "ns": [1])"), "no family and registers"},
      {row(R"("choice": "dot4:2", "weights": 9, "inputs": 8, "ns": [1])"), "'weights' from 1 to 8"},
      {row(R"("choice": "dot4:2", "weights": 8, "ns": [1])"), "'inputs' from 1 to 8"},
      {row(R"("choice": "dot4:2", "weights": 8, "inputs": 8)"), "no list 'ns'"},
      {row(R"("choice": "dot4:2", "weights": 8, "inputs": 8, "ns": [1, 2])"), "2 times for 1 layers"},
      {row(R"("choice": "dot4:2", "weights": 8, "inputs": 8, "ns": [-1])"), "neither null nor above 0"},
      {row(R"("choice": "dot4:2", "weights": 8, "inputs": 8, "ns": [0])"), "neither null nor above 0"},
      {row(R"("choice": "dot4:2", "weights": 8, "inputs": 8, "ns": [1e13])"), "neither null nor above 0"},
      {row(R"("choice": "dot4:2", "weights": 8, "inputs": 8, "ns": ["1"])"), "neither null nor above 0"},
      {row(R"("choice": "dot4:2", "weights": 8, "inputs": 8, "ns": [null])"), "without a time"}};
  for (const auto &[text, problem] : cases)
    EXPECT_NE(problemOf(text).find(problem), std::string::npos) << text.substr(0, 300) << "\n" << problemOf(text);
}

TEST(CostTable, IsEqualToTheGrid) {
  for (const CostTable &table : CostTable::shipped())
    for (const CostTable::Row &row : table.rows())
      for (auto [i, time] : llvm::enumerate(row.nanoseconds))
        if (time > 0)
          EXPECT_NEAR(*table.nanoseconds(table.layerOf(row, i), row.choice, table.cpu()), time, 1e-3 * time)
              << table.name().str() << " " << toString(row.choice) << " layer " << i;
}

TEST(CostTable, AClaimIsWorthAThread) {
  EXPECT_EQ(claimOf(100, 4900), std::nullopt); // two threads would have less than 2.5 µs each
  EXPECT_EQ(claimOf(1, 1e6), std::nullopt);
  EXPECT_EQ(claimOf(100, 5000), 50);
  EXPECT_EQ(claimOf(100, 100000), 2);
  EXPECT_EQ(claimOf(10, 1e9), 1);
}

TEST(CostTable, OtherRatesScaleTheFamily) {
  // A core with one pipe takes twice as long for byte products; what it counts with is the same.
  LayerShape layer = layerOf(256, 256, 3, 14, 2, 2);
  CpuTarget two = targetOf("sapphirerapids,-amx-int8"), one = targetOf("znver4");
  const CostTable &table = CostTable::nearest(two);
  EXPECT_EQ(&table, &CostTable::nearest(one));
  double ratio = *table.nanoseconds(layer, {Family::Dot4, 2}, one) / *table.nanoseconds(layer, {Family::Dot4, 2}, two);
  EXPECT_NEAR(ratio, 2, 1e-6);
  EXPECT_EQ(chooseKernel(layer, one).choice.family, Family::Table);
}

TEST(KernelChoice, Enumerates) {
  auto text = [](const LayerShape &layer, llvm::StringRef target) {
    std::string all;
    for (const KernelChoice &choice : enumerateChoices(layer, targetOf(target)))
      all += toString(choice) + " ";
    return all;
  };
  EXPECT_EQ(text(layerOf(64, 32, 1, 7, 8, 8), "x86-64-v4"), "dot4:2 dot4:1 ");
  EXPECT_EQ(text(layerOf(64, 16, 1, 7, 1, 2), "x86-64-v4"), "dot4:1 popcount:1 table:4 ");
  EXPECT_EQ(text(layerOf(64, 96, 1, 7, 2, 4), "x86-64-v3"),
            "dot4:2 dot4:1 dot4:4 popcount:4 popcount:1 popcount:2 table:8 table:4 ");
  EXPECT_EQ(text(layerOf(64, 48, 1, 7, 1, 8), "icelake-server"),
            "dot4:3 dot4:1 dot4:2 popcount:3 popcount:1 popcount:2 table:4 table:2 table:1 "
            "dot4:3:bytes dot4:1:bytes dot4:2:bytes ");
  // Tables of six channels need more columns than two registers of bytes have, one of them at least.
  EXPECT_EQ(text(layerOf(64, 256, 1, 7, 2, 2), "icelake-server"),
            "dot4:2 dot4:1 dot4:4 popcount:4 popcount:1 popcount:2 table:16 table:8 table:4 table:2 table:1 "
            "dot4:2:bytes dot4:1:bytes dot4:4:bytes ");
  EXPECT_EQ(text(layerOf(64, 16, 1, 7, 4, 8), "sapphirerapids"), "dot4:1 amx:1 dot4:1:bytes amx:1:bytes ");
  // No tables without PSHUFB, for many planes, and where indices fill the scratch.
  EXPECT_EQ(text(layerOf(64, 4, 1, 7, 1, 2), "x86-64"), "dot4:1 popcount:1 ");
  EXPECT_EQ(text(layerOf(64, 16, 1, 7, 3, 8), "x86-64-v4"), "dot4:1 ");
  EXPECT_EQ(text(layerOf(1 << 18, 16, 1, 1, 1, 1), "x86-64-v4"), "dot4:1 popcount:1 ");
  LayerShape depthwise = layerOf(1, 1, 3, 7, 8, 8);
  depthwise.groups = 32;
  EXPECT_EQ(text(depthwise, "x86-64-v4"), "depthwise:1 ");
  LayerShape real = layerOf(64, 16, 1, 7, 8, 8);
  real.real = true;
  EXPECT_EQ(text(real, "x86-64-v4"), "real:1 ");
}

TEST(KernelChoice, WishesAreParsed) {
  EXPECT_FALSE(llvm::cantFail(parseWantedChoice("")).family);
  WantedChoice wanted = llvm::cantFail(parseWantedChoice("popcount:3"));
  EXPECT_TRUE(wanted.admits({Family::Popcount, 3}));
  EXPECT_FALSE(wanted.admits({Family::Popcount, 2}));
  EXPECT_FALSE(wanted.admits({Family::Dot4, 3}));
  EXPECT_TRUE(llvm::cantFail(parseWantedChoice("table:8")).admits({Family::Table, 8}));
  EXPECT_TRUE(llvm::cantFail(parseWantedChoice(":2")).admits({Family::Dot4, 2}));
  EXPECT_FALSE(llvm::cantFail(parseWantedChoice(":2")).admits({Family::Dot4, 1}));
  EXPECT_FALSE(llvm::cantFail(parseWantedChoice("dot4:2")).admits({Family::Dot4, 2, true}));
  EXPECT_TRUE(llvm::cantFail(parseWantedChoice("dot4:2:bytes")).admits({Family::Dot4, 2, true}));
  for (const char *text : {"dot5", "dot4:0", "dot4:5", "table:17", "dot4:x", "dot4:", "dot4:2:bits", "dot4:2:", "depthwise"})
    EXPECT_NE(llvm::toString(parseWantedChoice(text).takeError()).find("expected"), std::string::npos) << text;
}

TEST(KernelChoice, WishesAreMetWhereTheLayerCan) {
  CpuTarget target = targetOf("x86-64-v4");
  LayerShape layer = layerOf(64, 64, 3, 7, 8, 8);
  EXPECT_EQ(chooseKernel(layer, target, {Family::Dot4, 1}).choice, (KernelChoice{Family::Dot4, 1}));
  EXPECT_EQ(chooseKernel(layer, target, {Family::Popcount, 0}).choice.family, Family::Dot4);
}

TEST(KernelChoice, BytesMustSaveWhatTheyTakeToBeRead) {
  KernelChoice narrow{Family::Dot4, 2}, bytes{Family::Dot4, 2, true};
  LayerShape layer = layerOf(480, 100, 1, 7, 4, 8); // 24000 bytes more, 1000 ns
  EXPECT_EQ(chooseLeast({{narrow, 10900}, {bytes, 10000}}, layer, "").choice, narrow);
  EXPECT_EQ(chooseLeast({{narrow, 11100}, {bytes, 10000}}, layer, "").choice, bytes);
}

/// The tables without layer `left`, one by one: how often the choice for it takes at most `most` times the least time.
double shareOfGoodChoices(double most) {
  unsigned good = 0, all = 0;
  for (llvm::StringRef text : costData()) {
    CostTable whole = llvm::cantFail(CostTable::parse(text));
    for (size_t left = 0; left < whole.layers().size(); ++left) {
      llvm::json::Value value = llvm::cantFail(llvm::json::parse(text));
      llvm::json::Array kept;
      for (llvm::json::Value &row : *value.getAsObject()->getArray("rows")) {
        llvm::json::Array &times = *row.getAsObject()->getArray("ns");
        times[left] = nullptr;
        if (llvm::any_of(times, [](const llvm::json::Value &time) { return !time.getAsNull(); }))
          kept.push_back(std::move(row));
      }
      (*value.getAsObject())["rows"] = std::move(kept);
      CostTable without = llvm::cantFail(CostTable::parse(llvm::formatv("{0}", value).str()));
      for (auto [weights, codes] : {std::pair(8, 8), {4, 4}, {2, 2}, {1, 1}, {1, 2}, {1, 4}}) {
        LayerShape layer = whole.layers()[left];
        layer.weightBits = weights;
        layer.inputBits = codes;
        auto leastBy = [&](const CostTable &table) {
          ChoiceCosts costs;
          for (const KernelChoice &choice : enumerateChoices(layer, table.cpu()))
            if (std::optional<double> cost = table.nanoseconds(layer, choice, table.cpu()))
              costs.emplace_back(choice, *cost);
          return chooseLeast(costs, layer, "").choice;
        };
        double chosen = *whole.nanoseconds(layer, leastBy(without), whole.cpu());
        double least = *whole.nanoseconds(layer, leastBy(whole), whole.cpu());
        good += chosen <= most * least;
        ++all;
      }
    }
  }
  return double(good) / all;
}

TEST(KernelChoice, GeneralizesFromTheGrid) {
  RecordProperty("within_2_percent", std::to_string(shareOfGoodChoices(1.02)));
  double within = shareOfGoodChoices(1.1);
  RecordProperty("within_10_percent", std::to_string(within));
  EXPECT_GE(within, 0.8);
}

} // namespace
