#include "OnnxTestModel.h"

#include <cstdlib>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

using namespace anybit::onnx;
using namespace anybit::onnx::test;

/// SHA-1 of "ijkl".
static const std::string moreDigest = "604ebdeb8d3be5303c0fc891773f69fc3a3720fa";

namespace {

/// A directory with model/weights.bin (8 bytes "abcdefgh") and a file outside of model/.
class OnnxExternalData : public ::testing::Test {
protected:
  void SetUp() override {
    char path[] = "/tmp/anybit-external-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    root = path;
    directory = root + "/model";
    ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
    ASSERT_EQ(mkdir((directory + "/sub").c_str(), 0700), 0);
    std::ofstream(directory + "/weights.bin") << "abcdefgh";
    std::ofstream(directory + "/sub/more.bin") << "ijkl";
    std::ofstream(root + "/secret") << "secret!!";
  }
  void TearDown() override {
    const std::string command = "rm -rf '" + root + "'";
    ASSERT_EQ(std::system(command.c_str()), 0);
  }

  using Entries = std::vector<std::pair<std::string, std::string>>;

  static TensorProto tensor(const Entries &entries) {
    TensorProto proto = makeTensor("w", TensorProto::FLOAT, {1});
    proto.set_data_location(TensorProto::EXTERNAL);
    for (const auto &[key, value] : entries) {
      auto &entry = *proto.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    }
    return proto;
  }

  Loaded loadEntries(const Entries &entries) { return load(withInitializer(tensor(entries)), directory); }

  void refuse(const Entries &entries, std::vector<std::string> words) {
    words.push_back("'w'");
    expectProblem(loadEntries(entries), Problem::Kind::Invalid, words);
  }

  std::string read(const Entries &entries) {
    Loaded loaded = loadEntries(entries);
    EXPECT_TRUE(loaded.sound) << loaded.text();
    const llvm::ArrayRef<char> bytes = loaded.model.graph.initializers["w"].bytes();
    return std::string(bytes.begin(), bytes.end());
  }

  std::string root, directory;
};

} // namespace

TEST_F(OnnxExternalData, Reads) {
  EXPECT_EQ(read({{"location", "weights.bin"}, {"offset", "2"}, {"length", "4"}}), "cdef");
  EXPECT_EQ(read({{"location", "weights.bin"}, {"offset", "4"}}), "efgh");
  EXPECT_EQ(read({{"location", "sub/more.bin"}, {"checksum", moreDigest}}), "ijkl");
  EXPECT_EQ(read({{"location", "./sub/more.bin"}}), "ijkl");
}

// Of the whole file, whatever part of it the tensor is.
TEST_F(OnnxExternalData, Checksums) {
  const std::string digest = "425af12a0743502b322e93a015bcf868e324d56a"; // of "abcdefgh"
  EXPECT_EQ(read({{"location", "weights.bin"}, {"offset", "2"}, {"length", "4"}, {"checksum", digest}}), "cdef");
  std::string upper = digest;
  for (char &c : upper)
    c = std::toupper(c);
  EXPECT_EQ(read({{"location", "weights.bin"}, {"offset", "4"}, {"checksum", upper}}), "efgh");
  refuse({{"location", "weights.bin"}, {"length", "4"}, {"checksum", moreDigest}}, {digest, moreDigest, "changed"});
  refuse({{"location", "weights.bin"}, {"length", "4"}, {"checksum", ""}}, {"40 hexadecimal digits"});
  refuse({{"location", "weights.bin"}, {"length", "4"}, {"checksum", "0"}}, {"checksum '0'", "40 hexadecimal digits"});
  refuse({{"location", "weights.bin"}, {"length", "4"}, {"checksum", std::string(40, 'g')}}, {"hexadecimal"});
  refuse({{"location", "../secret"}, {"length", "4"}, {"checksum", digest}}, {"'..'"});
  LoadOptions options;
  options.limits.tensorBytes = 7;
  TensorProto whole = tensor({{"location", "weights.bin"}, {"length", "4"}, {"checksum", digest}});
  expectProblem(load(withInitializer(whole), directory, options), Problem::Kind::Invalid, {"8 bytes", "at most 7"});
}

// Read once: the second tensor of a file is checked against the digest that is known.
TEST_F(OnnxExternalData, ChecksumsOfOneFile) {
  ModelProto model = withInitializer(tensor({{"location", "sub/more.bin"}, {"checksum", moreDigest}}));
  TensorProto second = tensor({{"location", "sub/more.bin"}, {"checksum", std::string(40, '0')}});
  second.set_name("v");
  *model.mutable_graph()->add_initializer() = second;
  expectProblem(load(model, directory), Problem::Kind::Invalid, {"'v'", moreDigest});
}

TEST_F(OnnxExternalData, ReadsBesideTheFile) {
  std::ofstream file(directory + "/m.onnx", std::ios::binary);
  withInitializer(tensor({{"location", "sub/more.bin"}})).SerializeToOstream(&file);
  file.close();
  Loaded loaded;
  EXPECT_TRUE(loadModel(directory + "/m.onnx", {}, loaded.model, loaded.problems)) << loaded.text();
}

TEST_F(OnnxExternalData, PathsOutside) {
  refuse({{"location", "../secret"}, {"length", "4"}}, {"'..'"});
  refuse({{"location", "sub/../../secret"}, {"length", "4"}}, {"'..'"});
  refuse({{"location", root + "/secret"}, {"length", "4"}}, {"absolute"});
  refuse({{"location", "/etc/hostname"}, {"length", "4"}}, {"absolute"});
  refuse({{"location", "..\\secret"}, {"length", "4"}}, {"backslash"});
  refuse({{"location", std::string("weights.bin\0x", 13)}, {"length", "4"}}, {"NUL"});
  refuse({{"location", ""}, {"length", "4"}}, {"empty"});
}

TEST_F(OnnxExternalData, Links) {
  ASSERT_EQ(symlink("../secret", (directory + "/soft").c_str()), 0);
  refuse({{"location", "soft"}, {"length", "4"}}, {"symbolic link"});
  ASSERT_EQ(symlink("weights.bin", (directory + "/inner").c_str()), 0);
  refuse({{"location", "inner"}, {"length", "4"}}, {"symbolic link"});
  ASSERT_EQ(symlink("..", (directory + "/up").c_str()), 0);
  refuse({{"location", "up/secret"}, {"length", "4"}}, {"symbolic link", "'up/secret'"});
}

TEST_F(OnnxExternalData, HardLink) {
  ASSERT_EQ(link((root + "/secret").c_str(), (directory + "/hard").c_str()), 0);
  refuse({{"location", "hard"}, {"length", "4"}}, {"2 hard links"});
}

TEST_F(OnnxExternalData, NotRegular) {
  ASSERT_EQ(mkfifo((directory + "/fifo").c_str(), 0600), 0);
  refuse({{"location", "fifo"}, {"length", "4"}}, {"not a regular file"});
  refuse({{"location", "sub"}, {"length", "4"}}, {"not a regular file"});
  refuse({{"location", "absent"}, {"length", "4"}}, {"cannot be opened", "No such file"});
}

TEST_F(OnnxExternalData, Ranges) {
  refuse({{"location", "weights.bin"}, {"offset", "5"}, {"length", "4"}}, {"4 bytes at offset 5", "8 bytes"});
  refuse({{"location", "weights.bin"}, {"offset", "18446744073709551615"}, {"length", "4"}}, {"at offset 1844674407"});
  refuse({{"location", "weights.bin"}, {"offset", "-4"}}, {"offset '-4'", "non-negative"});
  refuse({{"location", "weights.bin"}, {"length", "-4"}}, {"length '-4'", "non-negative"});
  refuse({{"location", "weights.bin"}, {"offset", "99999999999999999999"}}, {"offset", "non-negative"});
  refuse({{"location", "weights.bin"}, {"offset", "0x4"}}, {"offset '0x4'"});
  refuse({{"location", "weights.bin"}, {"length", "8"}}, {"length 8", "need 4"});
  refuse({{"location", "weights.bin"}}, {"needs 4 bytes", "has 8"});
}

TEST_F(OnnxExternalData, Keys) {
  refuse({{"location", "weights.bin"}, {"basepath", "/etc"}}, {"'basepath'"});
  refuse({{"location", "weights.bin"}, {"__class__", "x"}}, {"'__class__'"});
  refuse({{"location", "weights.bin"}, {"location", "/etc/hostname"}}, {"'location' twice"});
  refuse({{"offset", "0"}}, {"without a location"});
}

TEST_F(OnnxExternalData, MixedWithInlineData) {
  TensorProto both = tensor({{"location", "weights.bin"}, {"length", "4"}});
  both.set_raw_data("abcd");
  expectProblem(load(withInitializer(both), directory), Problem::Kind::Invalid, {"'w'", "raw_data"});
  TensorProto undeclared = tensor({{"location", "weights.bin"}, {"length", "4"}});
  undeclared.clear_data_location();
  expectProblem(load(withInitializer(undeclared), directory), Problem::Kind::Invalid, {"'w'", "data_location"});
}

// The same checks on every path by which a tensor comes in.
TEST_F(OnnxExternalData, AttributesAndSubgraphs) {
  ModelProto model = makeModel();
  NodeProto &node = *model.mutable_graph()->add_node();
  node = makeNode("c", "Constant", {}, {"k"});
  *addAttribute(node, "value", AttributeProto::TENSOR).mutable_t() = tensor({{"location", "../secret"}});
  expectProblem(load(model, directory), Problem::Kind::Invalid, {"'c'", "'..'"});
  node = makeNode("i", "If", {"x"}, {"k"});
  GraphProto &branch = *addAttribute(node, "then_branch", AttributeProto::GRAPH).mutable_g();
  *branch.add_initializer() = tensor({{"location", "../secret"}});
  setValue(*branch.add_output(), "w", TensorProto::FLOAT, {1});
  expectProblem(load(model, directory), Problem::Kind::Invalid, {"'w'", "'..'"});
}

TEST_F(OnnxExternalData, SparseIsNeverOpened) {
  ModelProto model = makeModel();
  *model.mutable_graph()->add_sparse_initializer()->mutable_values() = tensor({{"location", "../secret"}});
  expectProblem(load(model, directory), Problem::Kind::Unsupported, {"'w'", "sparse"});
  ModelProto attribute = makeModel();
  NodeProto &node = *attribute.mutable_graph()->add_node();
  node = makeNode("c", "Constant", {}, {"k"});
  *addAttribute(node, "sparse_value", AttributeProto::SPARSE_TENSOR).mutable_sparse_tensor()->mutable_values() =
      tensor({{"location", "../secret"}});
  expectProblem(load(attribute, directory), Problem::Kind::Unsupported, {"'c'", "SPARSE_TENSOR"});
}

TEST_F(OnnxExternalData, FromMemoryWithoutDirectory) {
  expectInvalid(withInitializer(tensor({{"location", "weights.bin"}})), {"'w'", "memory"});
}

TEST_F(OnnxExternalData, TheModelItselfMustBeAFile) {
  Loaded loaded;
  EXPECT_FALSE(loadModel(directory, {}, loaded.model, loaded.problems));
  EXPECT_FALSE(loadModel(directory + "/none.onnx", {}, loaded.model, loaded.problems));
  ASSERT_EQ(loaded.problems.size(), 2u);
  EXPECT_NE(loaded.problems[0].text.find("not a regular file"), std::string::npos) << loaded.text();
  EXPECT_NE(loaded.problems[1].text.find("No such file"), std::string::npos) << loaded.text();
}
