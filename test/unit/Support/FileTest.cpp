// writeFile: a whole file or the old one, whatever happens.
#include "anybit/Support/File.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"

#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace llvm;

namespace {

ArrayRef<char> bytesOf(StringRef text) { return {text.data(), text.size()}; }

class WriteFile : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(sys::fs::createUniqueDirectory("anybit-file-test", folder));
    path = (folder + "/file").str();
  }
  void TearDown() override { sys::fs::remove_directories(folder); }

  std::string write(ArrayRef<ArrayRef<char>> parts) { return toString(anybit::writeFile(path, parts)); }

  std::string content() const {
    auto file = MemoryBuffer::getFile(path);
    return file ? (*file)->getBuffer().str() : "absent";
  }

  int entries() const {
    int count = 0;
    std::error_code error;
    for (sys::fs::directory_iterator i(folder, error), end; i != end && !error; i.increment(error))
      ++count;
    return count;
  }

  SmallString<128> folder;
  std::string path;
};

TEST_F(WriteFile, PartsFollowEachOtherAndReplaceAnOlderFile) {
  EXPECT_EQ(write({bytesOf("an older and longer text")}), "");
  EXPECT_EQ(write({bytesOf("one"), bytesOf(""), bytesOf("two")}), "");
  EXPECT_EQ(content(), "onetwo");
  EXPECT_EQ(entries(), 1);
}

TEST_F(WriteFile, AMissingFolderIsNamed) {
  path = (folder + "/absent/file").str();
  EXPECT_NE(write({bytesOf("x")}).find("cannot write '" + path + "'"), std::string::npos);
}

TEST_F(WriteFile, FoldersAndPipesAreRefused) {
  ASSERT_FALSE(sys::fs::create_directory(path));
  EXPECT_NE(write({bytesOf("x")}).find("no regular file"), std::string::npos);
  ASSERT_FALSE(sys::fs::remove(path));
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_NE(write({bytesOf("x")}).find("no regular file"), std::string::npos);
  EXPECT_EQ(entries(), 1);
}

TEST_F(WriteFile, AFullDiskLeavesTheOlderFile) {
  ASSERT_EQ(write({bytesOf("as before")}), "");
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = {4096, before.rlim_max};
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string message = write({bytesOf(std::string(10000, 'x'))});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(message.find("cannot write"), std::string::npos) << message;
  EXPECT_EQ(content(), "as before");
  EXPECT_EQ(entries(), 1);
}

} // namespace
