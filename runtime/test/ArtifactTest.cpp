// Files that are and are not artifacts. ANYBIT_TEST_MODULE is a shared library made from TestModule.c, not yet sealed.
#include "anybit/runtime.h"
#include "anybit/seal.h"

#include "TestModule.h"

#include <gtest/gtest.h>

#include <cstring>
#include <elf.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace {

namespace fs = std::filesystem;

class Artifact : public ::testing::Test {
protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "anybit-artifact-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = pattern;
    sealed = folder / "model.so";
    fs::copy_file(ANYBIT_TEST_MODULE, sealed);
    ASSERT_EQ(anybit_seal_file(sealed.c_str()), ANYBIT_OK) << anybit_last_error();
    std::ifstream in(sealed, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
    anybit_file_note note;
    for (size_t at = 0; at + sizeof note <= bytes.size() && noteOffset == 0; at += 4) {
      std::memcpy(&note, &bytes[at], sizeof note);
      if (note.magic == ANYBIT_ABI_MAGIC && note.file_bytes == bytes.size())
        noteOffset = at;
    }
    ASSERT_NE(noteOffset, 0u);
  }
  void TearDown() override { fs::remove_all(folder); }

  anybit_status openBytes(const std::vector<char> &content) {
    fs::path path = folder / "candidate.so";
    std::ofstream(path, std::ios::binary | std::ios::trunc).write(content.data(), content.size());
    return open(path);
  }

  static anybit_status open(const fs::path &path) {
    anybit_module *module = reinterpret_cast<anybit_module *>(1);
    anybit_status status = anybit_module_open(path.c_str(), &module);
    EXPECT_EQ(module != nullptr, status == ANYBIT_OK);
    if (status != ANYBIT_OK)
      EXPECT_NE(std::string(anybit_last_error()).find(path.string()), std::string::npos) << anybit_last_error();
    anybit_module_close(module);
    return status;
  }

  static anybit_module *opened(const fs::path &path) {
    anybit_module *module = nullptr;
    EXPECT_EQ(anybit_module_open(path.c_str(), &module), ANYBIT_OK) << anybit_last_error();
    return module;
  }

  fs::path folder, sealed;
  std::vector<char> bytes;
  size_t noteOffset = 0;
};

TEST_F(Artifact, OpensAndRuns) {
  anybit_module *module = nullptr;
  ASSERT_EQ(anybit_module_open(sealed.c_str(), &module), ANYBIT_OK) << anybit_last_error();
  EXPECT_EQ(anybit_module_descriptor_of(module)->variant_count, static_cast<uint32_t>(kTestCandidates));
  anybit_session *session = nullptr;
  ASSERT_EQ(anybit_session_create(module, nullptr, &session), ANYBIT_OK);
  float x[kTestLength] = {1, 2}, y[kTestLength];
  const void *inputs[] = {x};
  void *outputs[] = {y};
  ASSERT_EQ(anybit_session_set_candidate_by_name(session, "w2a2"), ANYBIT_OK);
  ASSERT_EQ(anybit_session_run(session, inputs, outputs), ANYBIT_OK);
  EXPECT_EQ(y[0], 10.0f);
  EXPECT_EQ(y[1], 15.0f);
  EXPECT_EQ(y[2], 5.0f);
  anybit_session_destroy(session);
  anybit_module_close(module);
}

TEST_F(Artifact, TwoFilesAreTwoModulesWhateverTheirDescriptors) {
  fs::path other = folder / "other.so";
  fs::copy_file(sealed, other);
  anybit_module *a = opened(sealed), *b = opened(other);
  ASSERT_TRUE(a && b);
  EXPECT_NE(anybit_module_descriptor_of(a), anybit_module_descriptor_of(b));
  anybit_module_close(a);
  anybit_module *again = opened(sealed);
  ASSERT_TRUE(again);
  EXPECT_NE(anybit_module_descriptor_of(again), anybit_module_descriptor_of(b));
  EXPECT_STREQ(anybit_module_descriptor_of(b)->model, "test");
  anybit_module_close(again);
  anybit_module_close(b);
}

TEST_F(Artifact, AFileIsNotTakenForAnotherThatWasOpenedTwice) {
  fs::path other = folder / "other.so";
  fs::copy_file(sealed, other);
  anybit_module *kept = opened(sealed);
  anybit_module_close(opened(sealed)); // frees a descriptor under which the loader still knows the library
  anybit_module *next = opened(other);
  ASSERT_TRUE(kept && next);
  EXPECT_NE(anybit_module_descriptor_of(kept), anybit_module_descriptor_of(next));
  anybit_module_close(next);
  anybit_module_close(kept);
}

TEST_F(Artifact, SealingTwiceGivesTheSameFile) {
  ASSERT_EQ(anybit_seal_file(sealed.c_str()), ANYBIT_OK);
  std::ifstream in(sealed, std::ios::binary);
  EXPECT_EQ(std::vector<char>(std::istreambuf_iterator<char>(in), {}), bytes);
}

TEST_F(Artifact, TruncationAnywhereIsRefused) {
  std::vector<size_t> lengths = {0, 1, 3, 16, 63, 64, 65, 200, bytes.size() - 1, bytes.size() - 64};
  for (size_t length = 97; length < bytes.size(); length += 211)
    lengths.push_back(length);
  for (size_t length : lengths)
    ASSERT_EQ(openBytes({bytes.begin(), bytes.begin() + static_cast<long>(length)}), ANYBIT_INVALID_ARTIFACT) << length;
}

TEST_F(Artifact, ExtentsBehindTheEndAreNamedBeforeTheChecksum) {
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  for (uint32_t i = 0; i < header.e_phnum; ++i) {
    std::vector<char> changed = bytes;
    uint64_t huge = UINT64_MAX - 5;
    std::memcpy(&changed[header.e_phoff + i * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_filesz)], &huge, sizeof huge);
    ASSERT_EQ(openBytes(changed), ANYBIT_INVALID_ARTIFACT);
    EXPECT_NE(std::string(anybit_last_error()).find("a segment lies behind its end"), std::string::npos) << i;
  }
  for (uint32_t i = 1; i < header.e_shnum; ++i) {
    std::vector<char> changed = bytes;
    Elf64_Shdr section;
    size_t at = header.e_shoff + i * sizeof section;
    std::memcpy(&section, &changed[at], sizeof section);
    if (section.sh_type == SHT_NOBITS)
      continue;
    section.sh_offset = UINT64_MAX - 5;
    std::memcpy(&changed[at], &section, sizeof section);
    ASSERT_EQ(openBytes(changed), ANYBIT_INVALID_ARTIFACT);
    EXPECT_NE(std::string(anybit_last_error()).find("a section lies behind its end"), std::string::npos) << i;
  }
}

TEST_F(Artifact, GrowthIsRefused) {
  std::vector<char> longer = bytes;
  longer.resize(bytes.size() + 8);
  EXPECT_EQ(openBytes(longer), ANYBIT_INVALID_ARTIFACT);
}

TEST_F(Artifact, EveryFlippedBitIsRefused) {
  for (size_t at = 0; at < bytes.size(); at += at < 1024 || (at >= noteOffset - 24 && at < noteOffset + 40) ? 1 : 37) {
    std::vector<char> flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 1 << at % 8);
    anybit_status status = openBytes(flipped);
    ASSERT_TRUE(status == ANYBIT_INVALID_ARTIFACT || status == ANYBIT_INCOMPATIBLE_ABI) << at;
  }
}

TEST_F(Artifact, AnotherMajorVersionIsRefusedWithBothVersions) {
  uint32_t major = ANYBIT_ABI_MAJOR + 1;
  std::memcpy(&bytes[noteOffset + offsetof(anybit_file_note, abi_major)], &major, sizeof major);
  ASSERT_EQ(openBytes(bytes), ANYBIT_INCOMPATIBLE_ABI);
  std::string sentence = anybit_last_error(), minor = "." + std::to_string(ANYBIT_ABI_MINOR);
  for (uint32_t version : {ANYBIT_ABI_MAJOR, major})
    EXPECT_NE(sentence.find("ABI " + std::to_string(version) + minor), std::string::npos) << sentence;
  EXPECT_NE(sentence.find("update the runtime"), std::string::npos) << sentence;
}

TEST_F(Artifact, OtherKindsOfFileAreRefused) {
  EXPECT_EQ(open(folder / "missing.so"), ANYBIT_IO_ERROR);
  EXPECT_EQ(open(folder), ANYBIT_INVALID_ARTIFACT);
  fs::path fifo = folder / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(open(fifo), ANYBIT_INVALID_ARTIFACT);
  EXPECT_EQ(open("/dev/null"), ANYBIT_INVALID_ARTIFACT);
  std::string text(5000, 'a');
  EXPECT_EQ(openBytes({text.begin(), text.end()}), ANYBIT_INVALID_ARTIFACT);
  EXPECT_EQ(open(ANYBIT_TEST_MODULE), ANYBIT_INVALID_ARTIFACT); // never sealed
  EXPECT_EQ(open(ANYBIT_FOREIGN_LIBRARY), ANYBIT_INVALID_ARTIFACT);
  EXPECT_NE(std::string(anybit_last_error()).find("without the anybit note"), std::string::npos);
  EXPECT_EQ(open("/proc/self/exe"), ANYBIT_INVALID_ARTIFACT);
  std::vector<char> foreign = bytes;
  foreign[18] = static_cast<char>(0xf3 ^ foreign[18]); // e_machine
  EXPECT_EQ(openBytes(foreign), ANYBIT_INVALID_ARTIFACT);
  anybit_module *module = nullptr;
  EXPECT_EQ(anybit_module_open(nullptr, &module), ANYBIT_INVALID_ARGUMENT);
  EXPECT_EQ(anybit_module_open("x", nullptr), ANYBIT_INVALID_ARGUMENT);
}

TEST_F(Artifact, SealRefusesWhatOpenRefuses) {
  EXPECT_EQ(anybit_seal_file((folder / "missing.so").c_str()), ANYBIT_IO_ERROR);
  EXPECT_EQ(anybit_seal_file(nullptr), ANYBIT_INVALID_ARGUMENT);
  fs::path cut = folder / "cut.so";
  std::ofstream(cut, std::ios::binary).write(bytes.data(), static_cast<long>(bytes.size() / 2));
  EXPECT_EQ(anybit_seal_file(cut.c_str()), ANYBIT_INVALID_ARTIFACT);
}

} // namespace
