#include "DataTesting.h"

#include <cstring>

using namespace anybit::data;

namespace {

std::string parsed(const std::string &file) { return message(parseNpz(chars(file))); }

void put32(std::string &file, size_t at, uint32_t value) { memcpy(file.data() + at, &value, 4); }

/// Where the n-th occurrence of a record's signature begins.
size_t record(const std::string &file, const char *signature, size_t n = 0) {
  size_t at = file.find(signature);
  while (n--)
    at = file.find(signature, at + 1);
  return at;
}

TEST(Npz, ReadsStoredAndDeflated) {
  Array expected = good(readNpy(inputPath("array_le_f4.npy")));
  for (const char *name : {"stored.npz", "deflated.npz"}) {
    NamedArrays arrays = good(readNpz(inputPath(name)));
    ASSERT_EQ(arrays.size(), 2u);
    EXPECT_EQ(arrays[0].first, "a");
    EXPECT_EQ(arrays[0].second.bytes, expected.bytes);
    EXPECT_EQ(arrays[0].second.dims, expected.dims);
    EXPECT_EQ(arrays[1].first, "b");
    EXPECT_EQ(arrays[1].second.values<int64_t>(), llvm::ArrayRef<int64_t>({0, 1, 2}));
  }
}

TEST(Npz, WritesWhatItReads) {
  TemporaryDirectory directory;
  NamedArrays arrays = good(readNpz(inputPath("deflated.npz")));
  EXPECT_EQ(message(writeNpz(directory.file("x.npz"), arrays)), "");
  EXPECT_EQ(directory.entries(), 1u);
  NamedArrays again = good(readNpz(directory.file("x.npz")));
  ASSERT_EQ(again.size(), arrays.size());
  for (size_t i = 0; i < arrays.size(); ++i) {
    EXPECT_EQ(again[i].first, arrays[i].first);
    EXPECT_EQ(again[i].second.bytes, arrays[i].second.bytes);
  }
  EXPECT_EQ(message(writeNpz(directory.file("empty.npz"), {})), "");
  EXPECT_TRUE(good(readNpz(directory.file("empty.npz"))).empty());
}

TEST(Npz, RefusesBadNamesOnWriting) {
  TemporaryDirectory directory;
  Array array = good(Array::zeros(ElementType::Float32, {2}));
  EXPECT_SAYS(writeNpz(directory.file("x.npz"), {{"a", array}, {"a", array}}), "occurs twice");
  EXPECT_SAYS(writeNpz(directory.file("x.npz"), {{"", array}}), "empty");
  EXPECT_EQ(directory.entries(), 0u);
}

TEST(Npz, RefusesEveryTruncation) {
  for (const char *name : {"stored.npz", "deflated.npz"}) {
    std::string whole = fileBytes(inputPath(name));
    for (size_t size = 0; size < whole.size(); ++size)
      EXPECT_NE(parsed(whole.substr(0, size)), "") << size;
  }
}

TEST(Npz, SurvivesEveryFlippedBit) {
  for (const char *name : {"stored.npz", "deflated.npz"}) {
    std::string whole = fileBytes(inputPath(name));
    for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
      std::string copy = whole;
      copy[bit / 8] ^= static_cast<char>(1 << bit % 8);
      (void)parsed(copy);
    }
  }
}

TEST(Npz, RefusesBombsBeforeTakingMemory) {
  std::string file = fileBytes(inputPath("deflated.npz"));
  size_t entry = record(file, "PK\1\2");
  put32(file, entry + 24, 0xf0000000);
  EXPECT_NE(parsed(file).find("cannot hold the 4026531840 bytes"), std::string::npos) << parsed(file);
  std::string stored = fileBytes(inputPath("stored.npz"));
  put32(stored, record(stored, "PK\1\2") + 24, 0xf0000000);
  EXPECT_NE(parsed(stored).find("cannot hold"), std::string::npos) << parsed(stored);
}

TEST(Npz, RefusesWrongDeclaredSizesAndChecksums) {
  std::string whole = fileBytes(inputPath("deflated.npz"));
  size_t entry = record(whole, "PK\1\2");
  std::string longer = whole, shorter = whole, checksum = whole, outside = whole, zip64 = whole;
  longer[entry + 24] += 1;
  shorter[entry + 24] -= 1;
  checksum[entry + 16] += 1;
  put32(outside, entry + 42, 0x7fffffff);
  put32(zip64, entry + 24, 0xffffffff);
  EXPECT_NE(parsed(longer).find("declared"), std::string::npos) << parsed(longer);
  EXPECT_NE(parsed(shorter).find("declared"), std::string::npos) << parsed(shorter);
  EXPECT_NE(parsed(checksum).find("checksum"), std::string::npos) << parsed(checksum);
  EXPECT_NE(parsed(outside).find("outside the file"), std::string::npos) << parsed(outside);
  EXPECT_NE(parsed(zip64).find("zip64"), std::string::npos) << parsed(zip64);
}

TEST(Npz, RefusesEncryptionOtherMethodsAndForeignMembers) {
  std::string whole = fileBytes(inputPath("stored.npz"));
  size_t entry = record(whole, "PK\1\2");
  std::string encrypted = whole, method = whole, name = whole, twice = whole;
  encrypted[entry + 8] |= 1;
  method[entry + 10] = 12;
  name[entry + 46] = 'x';
  name[entry + 48] = 'q'; // "a.npy" -> "x.qpy"
  twice[record(whole, "PK\1\2", 1) + 46] = 'a';
  EXPECT_NE(parsed(encrypted).find("encrypted"), std::string::npos) << parsed(encrypted);
  EXPECT_NE(parsed(method).find("compression method 12"), std::string::npos) << parsed(method);
  EXPECT_NE(parsed(name).find("no .npy file"), std::string::npos) << parsed(name);
  EXPECT_NE(parsed(twice).find("occurs twice"), std::string::npos) << parsed(twice);
}

} // namespace
