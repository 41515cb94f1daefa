//===- OnnxRealModelTest.cpp - files in the wild ---------------------------===//
#include "OnnxTestModel.h"

#include "llvm/Support/MemoryBuffer.h"

#include <cstdlib>
#include <filesystem>
#include <random>

using namespace anybit::onnx;
using namespace anybit::onnx::test;

static std::string modelDirectory() {
  const char *data = std::getenv("ANYBIT_TEST_DATA");
  return data ? std::string(data) + "/models" : "";
}

TEST(OnnxRealModel, AllLoad) {
  if (modelDirectory().empty())
    GTEST_SKIP() << "ANYBIT_TEST_DATA is not set";
  int count = 0;
  for (const auto &entry : std::filesystem::recursive_directory_iterator(modelDirectory())) {
    if (entry.path().extension() != ".onnx")
      continue;
    Loaded loaded;
    EXPECT_TRUE(loadModel(entry.path().string(), {}, loaded.model, loaded.problems)) << entry.path() << loaded.text();
    EXPECT_FALSE(loaded.model.graph.nodes.empty());
    ++count;
  }
  EXPECT_GE(count, 20);
}

TEST(OnnxRealModel, DamagedOnesReturnCleanly) {
  if (modelDirectory().empty())
    GTEST_SKIP() << "ANYBIT_TEST_DATA is not set";
  auto buffer = llvm::MemoryBuffer::getFile(modelDirectory() + "/mnist8.onnx");
  ASSERT_TRUE(bool(buffer));
  const std::string seed = (*buffer)->getBuffer().str();
  const auto run = [](const std::string &bytes) {
    Loaded loaded;
    loaded.sound = loadModelFromBytes(bytes, "", {}, loaded.model, loaded.problems);
    EXPECT_EQ(loaded.sound, loaded.problems.empty());
  };
  for (size_t i = 0; i < 256; ++i)
    run(seed.substr(0, seed.size() * i / 256));
  std::mt19937 random(8);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = seed;
    bytes[random() % bytes.size()] ^= 1 << random() % 8;
    run(bytes);
  }
}
