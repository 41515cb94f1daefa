#include "DataTesting.h"

#include "anybit/Data/Calibration.h"

using namespace anybit::data;
using llvm::SmallVector;

namespace {

CalibrationSource open(const std::string &path, llvm::ArrayRef<InputSpec> inputs, const char *options = nullptr) {
  std::optional<PreprocessOptions> preprocess;
  if (options)
    preprocess = good(parsePreprocess(options));
  auto source = CalibrationSource::open(path, inputs, preprocess);
  if (!source)
    llvm::report_fatal_error(source.takeError());
  return std::move(*source);
}

std::string refused(const std::string &path, llvm::ArrayRef<InputSpec> inputs, const char *options = nullptr) {
  std::optional<PreprocessOptions> preprocess;
  if (options)
    preprocess = good(parsePreprocess(options));
  return message(CalibrationSource::open(path, inputs, preprocess));
}

Array counting(llvm::ArrayRef<int64_t> dims, float first) {
  Array array = good(Array::zeros(ElementType::Float32, dims));
  for (float &value : array.mutableValues<float>())
    value = first++;
  return array;
}

float firstValue(CalibrationSource &source, int64_t index) { return good(source.sample(index))[0].values<float>()[0]; }

const InputSpec twoWide{"x", ElementType::Float32, {-1, 2}};

TEST(Calibration, OneArrayFile) {
  TemporaryDirectory directory;
  EXPECT_EQ(message(writeNpy(directory.file("x.npy"), counting({3, 2}, 0))), "");
  CalibrationSource source = open(directory.file("x.npy"), twoWide);
  EXPECT_EQ(source.size(), 3);
  for (int64_t i : {2, 0, 1}) {
    std::vector<Array> sample = good(source.sample(i));
    ASSERT_EQ(sample.size(), 1u);
    EXPECT_EQ(sample[0].dims, (SmallVector<int64_t, 4>{1, 2}));
    EXPECT_EQ(sample[0].values<float>()[1], 2 * i + 1);
  }
  EXPECT_SAYS(source.sample(3), "does not exist");
  EXPECT_SAYS(source.sample(-1), "does not exist");
}

TEST(Calibration, DirectoryIsSortedAndMixesRowsAndBatches) {
  TemporaryDirectory directory;
  EXPECT_EQ(message(writeNpy(directory.file("b.npy"), counting({2, 2}, 10))), "");
  EXPECT_EQ(message(writeNpy(directory.file("c.npy"), counting({2}, 20))), "");
  EXPECT_EQ(message(writeNpy(directory.file("a.npy"), counting({1, 2}, 0))), "");
  EXPECT_EQ(message(writeNpy(directory.file(".hidden.npy"), counting({1, 2}, 99))), "");
  CalibrationSource source = open(directory.str(), twoWide);
  ASSERT_EQ(source.size(), 4);
  EXPECT_EQ(firstValue(source, 0), 0);
  EXPECT_EQ(firstValue(source, 1), 10);
  EXPECT_EQ(firstValue(source, 2), 12);
  EXPECT_EQ(firstValue(source, 3), 20);
}

TEST(Calibration, FixedBatchTakesRowsTogether) {
  TemporaryDirectory directory;
  EXPECT_EQ(message(writeNpy(directory.file("a.npy"), counting({3, 2}, 0))), "");
  EXPECT_EQ(message(writeNpy(directory.file("b.npy"), counting({2, 2}, 6))), "");
  CalibrationSource source = open(directory.str(), InputSpec{"x", ElementType::Float32, {2, 2}});
  ASSERT_EQ(source.size(), 2);
  Array second = good(source.sample(1))[0];
  EXPECT_EQ(second.dims, (SmallVector<int64_t, 4>{2, 2}));
  EXPECT_EQ(second.values<float>(), llvm::ArrayRef<float>({4, 5, 6, 7}));
  EXPECT_NE(refused(directory.str(), InputSpec{"x", ElementType::Float32, {6, 2}}).find("at least 6"),
            std::string::npos);
}

TEST(Calibration, ArchiveByName) {
  TemporaryDirectory directory;
  std::string path = directory.file("x.npz");
  EXPECT_EQ(message(writeNpz(path, {{"b", counting({2, 3}, 50)}, {"a", counting({2, 2}, 0)}})), "");
  InputSpec a{"a", ElementType::Float32, {-1, 2}}, b{"b", ElementType::Float32, {-1, 3}};
  CalibrationSource source = open(path, {a, b});
  EXPECT_EQ(source.size(), 2);
  std::vector<Array> sample = good(source.sample(1));
  EXPECT_EQ(sample[0].values<float>()[0], 2);
  EXPECT_EQ(sample[1].values<float>()[0], 53);
  std::string missing = refused(path, {a, InputSpec{"c", ElementType::Float32, {-1, 3}}});
  EXPECT_NE(missing.find("input 'c'; the file has 'b', 'a'"), std::string::npos) << missing;
  EXPECT_EQ(message(writeNpz(path, {{"b", counting({3, 3}, 50)}, {"a", counting({2, 2}, 0)}})), "");
  EXPECT_NE(refused(path, {a, b}).find("have 2 and 3 samples"), std::string::npos) << refused(path, {a, b});
  EXPECT_EQ(message(writeNpz(path, {{"arr_0", counting({4, 2}, 0)}})), "");
  EXPECT_EQ(open(path, a).size(), 4);
}

TEST(Calibration, Pictures) {
  TemporaryDirectory directory;
  directory.copy("rgb.png", "b.PNG");
  directory.copy("gray.jpg", "a.jpeg");
  directory.copy("scalar.npy", "labels.csv");
  InputSpec input{"image", ElementType::Float32, {-1, 3, 11, 20}};
  CalibrationSource source = open(directory.str(), input, "raw");
  ASSERT_EQ(source.size(), 2);
  Array got = good(source.sample(1))[0];
  EXPECT_EQ(got.dims, (SmallVector<int64_t, 4>{1, 3, 11, 20}));
  Array expected = good(readNpy(inputPath("resized_20x11.npy")));
  EXPECT_EQ(got.values<float>()[219], float(expected.values<uint8_t>()[219 * 3]));
  Array gray = good(source.sample(0))[0];
  EXPECT_EQ(gray.values<float>()[5], gray.values<float>()[225]);

  CalibrationSource wrong = open(directory.str(), input, "raw,size=20x12");
  EXPECT_SAYS(wrong.sample(0), "a.jpeg");
  EXPECT_SAYS(wrong.sample(0), "float32 of shape Nx3x11x20 (N samples), not float32 of shape 1x3x12x20");
  EXPECT_EQ(open(inputPath("rgb.png"), input, "raw").size(), 1);
}

TEST(Calibration, BadPathsAndKinds) {
  TemporaryDirectory directory;
  EXPECT_NE(refused(directory.file("none"), twoWide).find("cannot read calibration path"), std::string::npos);
  EXPECT_NE(refused(directory.str(), twoWide).find("no files ending in .npy, .npz, .jpg, .jpeg or .png"),
            std::string::npos);
  EXPECT_NE(refused(inputPath("../make_inputs.py"), twoWide).find("does not end in"), std::string::npos);
  directory.copy("rgb.png", "a.png");
  EXPECT_NE(refused(directory.str(), InputSpec{"x", ElementType::Float32, {1, 3, 4, 4}}).find("need --preprocess"),
            std::string::npos);
  EXPECT_NE(refused(directory.str(), InputSpec{"x", ElementType::UInt8, {1, 3, 4, 4}}, "raw").find("is uint8"),
            std::string::npos);
  EXPECT_NE(refused(directory.str(), {twoWide, twoWide}, "raw").find("2 inputs"), std::string::npos);
  directory.copy("scalar.npy", "b.npy");
  EXPECT_NE(refused(directory.str(), twoWide).find("mixes"), std::string::npos);
  EXPECT_NE(refused(inputPath("array_u1.npy"), twoWide, "raw").find("--preprocess is for pictures"), std::string::npos);
}

TEST(Calibration, AllMismatchesAtOnce) {
  TemporaryDirectory directory;
  EXPECT_EQ(message(writeNpy(directory.file("a.npy"), counting({3, 4}, 0))), "");
  EXPECT_EQ(message(writeNpy(directory.file("b.npy"), counting({3, 2}, 0))), "");
  directory.copy("array_u1.npy", "c.npy");
  directory.copy("rgb.png", "d.npy");
  std::string text = refused(directory.str(), twoWide);
  for (const char *part : {"a.npy': input 'x' needs float32 of shape Nx2 (N samples), not float32 of shape 3x4",
                           "c.npy': input 'x' needs float32 of shape Nx2 (N samples), not uint8 of shape 3x4x5",
                           "d.npy': this is no .npy file"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\nin " << text;
  EXPECT_EQ(text.find("b.npy"), std::string::npos);
  EXPECT_EQ(message(writeNpy(directory.file("a.npy"), counting({0, 2}, 0))), "");
  EXPECT_NE(refused(directory.file("a.npy"), twoWide).find("has 0 samples"), std::string::npos);
}

} // namespace
