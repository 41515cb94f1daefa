#include "DataTesting.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <csignal>

#include <sys/resource.h>
#include <sys/stat.h>

using namespace anybit::data;
using llvm::ArrayRef;
using llvm::SmallVector;

namespace {

/// A file of format 1.0 with this header text.
std::string npy(std::string header, size_t dataBytes, char version = 1) {
  std::string file = "\x93NUMPY";
  file += version;
  file += '\0';
  file += static_cast<char>(header.size() & 255);
  file += static_cast<char>(header.size() >> 8);
  if (version > 1)
    file += std::string(2, '\0');
  return file + header + std::string(dataBytes, '\1');
}

std::string parsed(const std::string &file) { return message(parseNpy(chars(file))); }

template <typename T> std::vector<double> numbers(const Array &array) {
  std::vector<double> result;
  for (T value : array.values<T>())
    result.push_back(static_cast<double>(value));
  return result;
}

std::vector<double> reference() { return numbers<uint8_t>(good(readNpy(inputPath("array_u1.npy")))); }

template <typename T> void expectArray(const std::string &name, ElementType type) {
  Array array = good(readNpy(inputPath(name)));
  EXPECT_EQ(array.type, type) << name;
  EXPECT_EQ(array.dims, (SmallVector<int64_t, 4>{3, 4, 5})) << name;
  EXPECT_EQ(numbers<T>(array), reference()) << name;
}

TEST(Npy, ReadsEveryTypeAndByteOrder) {
  std::vector<double> expected = reference();
  ASSERT_EQ(expected.size(), 60u);
  EXPECT_EQ(std::vector<double>(expected.begin(), expected.begin() + 4), (std::vector<double>{71, 55, 89, 82}));
  expectArray<float>("array_le_f4.npy", ElementType::Float32);
  expectArray<float>("array_be_f4.npy", ElementType::Float32);
  expectArray<double>("array_le_f8.npy", ElementType::Float64);
  expectArray<int8_t>("array_i1.npy", ElementType::Int8);
  expectArray<uint16_t>("array_le_u2.npy", ElementType::UInt16);
  expectArray<uint16_t>("array_be_u2.npy", ElementType::UInt16);
  expectArray<int16_t>("array_le_i2.npy", ElementType::Int16);
  expectArray<int32_t>("array_le_i4.npy", ElementType::Int32);
  expectArray<int64_t>("array_le_i8.npy", ElementType::Int64);
  expectArray<int64_t>("array_be_i8.npy", ElementType::Int64);
}

TEST(Npy, ReadsFortranOrderVersionsAndHalf) {
  expectArray<float>("array_fortran.npy", ElementType::Float32);
  expectArray<int16_t>("array_fortran_be.npy", ElementType::Int16);
  for (const char *name : {"version_1.npy", "version_2.npy", "version_3.npy"})
    expectArray<int32_t>(name, ElementType::Int32);
  Array half = good(readNpy(inputPath("array_le_f2.npy")));
  EXPECT_EQ(half.type, ElementType::Float16);
  EXPECT_EQ(half.values<uint16_t>()[0], 0x5470u); // 71
  Array flags = good(readNpy(inputPath("array_bool.npy")));
  EXPECT_EQ(flags.type, ElementType::Bool);
  std::vector<double> values = reference();
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(flags.values<uint8_t>()[i], std::fmod(values[i], 2) == 0);
}

TEST(Npy, ReadsScalarsAndEmptyArrays) {
  Array scalar = good(readNpy(inputPath("scalar.npy")));
  EXPECT_TRUE(scalar.dims.empty());
  EXPECT_EQ(scalar.values<float>()[0], 2.5f);
  Array empty = good(readNpy(inputPath("empty.npy")));
  EXPECT_EQ(empty.dims, (SmallVector<int64_t, 4>{0, 3}));
  EXPECT_EQ(empty.count(), 0);
}

TEST(Npy, WritesTheBytesOfNumPy) {
  TemporaryDirectory directory;
  for (const char *name : {"array_le_f4.npy", "array_u1.npy", "array_le_i8.npy", "array_bool.npy", "scalar.npy",
                           "empty.npy", "version_1.npy", "array_le_f2.npy"}) {
    EXPECT_EQ(message(writeNpy(directory.file(name), good(readNpy(inputPath(name))))), "");
    EXPECT_EQ(fileBytes(directory.file(name)), fileBytes(inputPath(name))) << name;
  }
}

TEST(Npy, RefusesForeignTypes) {
  EXPECT_SAYS(readNpy(inputPath("complex.npy")), "element type '<c8' cannot be read; convert the array to float32");
  EXPECT_SAYS(readNpy(inputPath("structured.npy")), "structured");
  EXPECT_SAYS(readNpy(inputPath("missing.npy")), "cannot read");
  EXPECT_SAYS(readNpy(inputPath("rgb.png")), "no .npy file");
}

TEST(Npy, RefusesDamagedHeaders) {
  const std::string start = "{'descr': '<f4', 'fortran_order': False, 'shape': ";
  EXPECT_EQ(parsed(npy(start + "(2,), }", 8)), "");
  EXPECT_EQ(parsed(npy(start + "(2, 1)}\n", 8, 2)), "");
  for (const char *shape : {"(-2,)", "(2", "2", "(2 2)", "(2.0,)", "(0x2,)", "(99999999999999999999,)", "(,)", "None"})
    EXPECT_NE(parsed(npy(start + shape + "}", 8)), "") << shape;
  EXPECT_NE(parsed(npy("{'descr': '<f4', 'shape': (2,)}", 8)), "");
  EXPECT_NE(parsed(npy(start + "(2,), 'shape': (2,)}", 8)), "");
  EXPECT_NE(parsed(npy(start + "(2,), 'x': 1}", 8)), "");
  EXPECT_NE(parsed(npy(start + "(2,)} + 1", 8)), "");
  EXPECT_NE(parsed(npy("{'descr': '<f4', 'fortran_order': 1, 'shape': (2,)}", 8)), "");
  EXPECT_NE(parsed(npy("{'descr: <f4", 8)), "");
  EXPECT_NE(parsed(npy("", 8)), "");
  EXPECT_NE(parsed(npy(start + "(2,)}", 8, 4)), "");
  std::string deep = "(";
  for (int i = 0; i < 40; ++i)
    deep += "1,";
  EXPECT_NE(parsed(npy(start + deep + ")}", 4)), "");
}

TEST(Npy, RefusesWrongSizes) {
  const std::string start = "{'descr': '<f4', 'fortran_order': False, 'shape': ";
  EXPECT_NE(parsed(npy(start + "(2,)}", 7)).find("truncated"), std::string::npos);
  EXPECT_NE(parsed(npy(start + "(2,)}", 9)).find("too long"), std::string::npos);
  EXPECT_NE(parsed(npy(start + "(4611686018427387904, 4)}", 8)).find("64 bits"), std::string::npos);
  EXPECT_NE(parsed(npy(start + "(0, 9223372036854775807, 9223372036854775807)}", 0)).find("64 bits"),
            std::string::npos);
  EXPECT_NE(parsed(npy(start + "(1099511627776,)}", 8)).find("truncated"), std::string::npos);
}

TEST(Npy, RefusesEveryTruncation) {
  std::string whole = fileBytes(inputPath("array_le_f4.npy"));
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(parsed(whole.substr(0, size)), "") << size;
}

TEST(Npy, SurvivesEveryFlippedHeaderBit) {
  std::string whole = fileBytes(inputPath("array_le_f4.npy"));
  for (size_t bit = 0; bit < 128 * 8; ++bit) {
    std::string copy = whole;
    copy[bit / 8] ^= static_cast<char>(1 << bit % 8);
    // Accepted or refused, the sizes must agree.
    if (auto array = parseNpy(chars(copy)))
      EXPECT_EQ(array->bytes.size(), good(byteSize(array->type, array->dims)));
    else
      llvm::consumeError(array.takeError());
  }
}

TEST(Npy, FailedWritesLeaveNothing) {
  TemporaryDirectory directory;
  Array array = good(Array::zeros(ElementType::Float32, {2}));
  EXPECT_SAYS(writeNpy(directory.file("none/x.npy"), array), "cannot write");
  EXPECT_SAYS(writeNpy(directory.str(), array), "no regular file");
  EXPECT_EQ(directory.entries(), 0u);
  EXPECT_EQ(message(writeNpy(directory.file("x.npy"), array)), "");
  EXPECT_EQ(directory.entries(), 1u);
}

TEST(Npy, PipesAreNotReplaced) {
  TemporaryDirectory directory;
  ASSERT_EQ(mkfifo(directory.file("pipe").c_str(), 0600), 0);
  EXPECT_SAYS(writeNpy(directory.file("pipe"), good(Array::zeros(ElementType::Float32, {2}))), "no regular file");
  EXPECT_EQ(directory.entries(), 1u);
}

/// A file size limit stands for a full disk.
TEST(Npy, FailedWritesKeepTheOldFile) {
  TemporaryDirectory directory;
  std::string path = directory.file("x.npy");
  EXPECT_EQ(message(writeNpy(path, good(Array::zeros(ElementType::Float32, {2})))), "");
  std::string before = fileBytes(path);
  rlimit usual;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &usual), 0);
  auto handler = signal(SIGXFSZ, SIG_IGN);
  rlimit small{4096, usual.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string text = message(writeNpy(path, good(Array::zeros(ElementType::Float32, {100000}))));
  setrlimit(RLIMIT_FSIZE, &usual);
  signal(SIGXFSZ, handler);
  EXPECT_NE(text.find("cannot write"), std::string::npos) << text;
  EXPECT_EQ(fileBytes(path), before);
  EXPECT_EQ(directory.entries(), 1u);
}

} // namespace
