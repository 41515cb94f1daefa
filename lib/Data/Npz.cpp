#include "NpyFormat.h"
#include "anybit/Data/Npy.h"
#include "anybit/Support/File.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Endian.h"

#include <zlib.h>

using namespace llvm;
using support::endian::read16le;
using support::endian::read32le;

namespace anybit::data {

constexpr uint32_t endSignature = 0x06054b50, entrySignature = 0x02014b50, localSignature = 0x04034b50;
constexpr size_t endBytes = 22, entryBytes = 46, localBytes = 30;
constexpr uint64_t maxArchiveBytes = uint64_t(1) << 32;
/// Deflate cannot shrink data more than 1032 times; a member that claims more is lying about its size.
constexpr uint64_t maxDeflateRatio = 1032;

namespace {

/// What the central directory says about a member.
struct Entry {
  std::string name;
  unsigned flags = 0, method = 0;
  uint32_t checksum = 0;
  uint64_t packedBytes = 0, bytes = 0, localOffset = 0;
};

struct Directory {
  uint64_t offset = 0, size = 0;
  unsigned count = 0;
};

} // namespace

static Expected<Directory> findDirectory(ArrayRef<char> file) {
  if (file.size() < endBytes)
    return createStringError("this is no .npz file: " + Twine(file.size()) + " bytes are too few for an archive");
  // The end record is followed by a comment of at most 65535 bytes.
  size_t first = file.size() - std::min<size_t>(file.size(), endBytes + 65535);
  size_t at = file.size() - endBytes;
  while (at > first && read32le(file.data() + at) != endSignature)
    --at;
  const char *end = file.data() + at;
  if (read32le(end) != endSignature)
    return createStringError("this is no .npz file, or it is truncated: it has no archive directory at its end");
  Directory directory{read32le(end + 16), read32le(end + 12), read16le(end + 10)};
  if (read16le(end + 4) || read16le(end + 6) || read16le(end + 8) != directory.count)
    return createStringError("archives in several parts cannot be read");
  if (directory.count == 0xffff || directory.offset == 0xffffffff)
    return createStringError("zip64 archives cannot be read; save at most 4 GiB in one .npz file");
  if (directory.offset + directory.size > at)
    return createStringError("the archive directory lies outside the file (damaged or truncated)");
  return directory;
}

/// Reads the entry at `at` and moves behind it.
static Expected<Entry> readEntry(ArrayRef<char> directory, size_t &at) {
  const char *raw = directory.data() + at;
  if (directory.size() - at < entryBytes || read32le(raw) != entrySignature)
    return createStringError("the archive directory is damaged");
  size_t nameBytes = read16le(raw + 28);
  size_t entrySize = entryBytes + nameBytes + read16le(raw + 30) + read16le(raw + 32);
  if (directory.size() - at < entrySize)
    return createStringError("the archive directory is damaged");
  Entry entry;
  entry.name.assign(raw + entryBytes, nameBytes);
  entry.flags = read16le(raw + 8);
  entry.method = read16le(raw + 10);
  entry.checksum = read32le(raw + 16);
  entry.packedBytes = read32le(raw + 20);
  entry.bytes = read32le(raw + 24);
  entry.localOffset = read32le(raw + 42);
  at += entrySize;
  return entry;
}

static Error checkEntry(const Entry &entry) {
  if (entry.flags & 1)
    return createStringError("it is encrypted");
  if (entry.method != 0 && entry.method != Z_DEFLATED)
    return createStringError("its compression method " + Twine(entry.method) +
                             " cannot be read (stored and deflated can)");
  if (entry.bytes == 0xffffffff || entry.packedBytes == 0xffffffff || entry.localOffset == 0xffffffff)
    return createStringError("it needs zip64, which cannot be read; save less than 4 GiB in one file");
  bool lies = entry.method == 0 ? entry.bytes != entry.packedBytes : entry.bytes / maxDeflateRatio > entry.packedBytes;
  if (lies)
    return createStringError("its " + Twine(entry.packedBytes) + " bytes cannot hold the " + Twine(entry.bytes) +
                             " bytes it declares");
  return Error::success();
}

static Expected<ArrayRef<char>> packedData(ArrayRef<char> file, const Entry &entry) {
  if (entry.localOffset + localBytes > file.size())
    return createStringError("it lies outside the file (damaged or truncated)");
  const char *local = file.data() + entry.localOffset;
  if (read32le(local) != localSignature)
    return createStringError("its local header is damaged");
  uint64_t begin = entry.localOffset + localBytes + read16le(local + 26) + read16le(local + 28);
  if (begin + entry.packedBytes > file.size())
    return createStringError("it lies outside the file (damaged or truncated)");
  return file.slice(begin, entry.packedBytes);
}

/// Inflates into exactly `target`; more or less output is an error. Both sizes are below 4 GiB.
static Error inflateAll(ArrayRef<char> packed, std::vector<char> &target) {
  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    return createStringError("zlib cannot start");
  scope_exit close([&] { inflateEnd(&stream); });
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef *>(target.data());
  stream.avail_out = static_cast<uInt>(target.size());
  int status = inflate(&stream, Z_FINISH);
  if (status != Z_STREAM_END || stream.avail_out != 0 || stream.avail_in != 0)
    return createStringError("its compressed data are damaged, or do not have the " + Twine(target.size()) +
                             " bytes that are declared");
  return Error::success();
}

static Expected<Array> readMember(ArrayRef<char> file, const Entry &entry) {
  if (Error error = checkEntry(entry))
    return std::move(error);
  Expected<ArrayRef<char>> packed = packedData(file, entry);
  if (!packed)
    return packed.takeError();
  ArrayRef<char> bytes = *packed;
  std::vector<char> inflated;
  if (entry.method == Z_DEFLATED) {
    inflated.resize(entry.bytes);
    if (Error error = inflateAll(*packed, inflated))
      return std::move(error);
    bytes = inflated;
  }
  if (crc32_z(0, reinterpret_cast<const Bytef *>(bytes.data()), bytes.size()) != entry.checksum)
    return createStringError("its checksum is wrong (the file is damaged)");
  return parseNpy(bytes);
}

namespace {

/// Little-endian fields of a record that is being written.
struct Record {
  std::string text;
  Record &u16(uint64_t value) { return put(value, 2); }
  Record &u32(uint64_t value) { return put(value, 4); }
  Record &put(uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i)
      text += static_cast<char>(value >> (8 * i));
    return *this;
  }
};

} // namespace

/// The fields that the local header and the directory entry share.
static std::string commonFields(uint32_t checksum, uint64_t bytes, size_t nameBytes) {
  constexpr unsigned version = 20, flags = 0, method = 0, time = 0, date = (1 << 5) | 1; // 1980-01-01
  return Record()
      .u16(version)
      .u16(flags)
      .u16(method)
      .u16(time)
      .u16(date)
      .u32(checksum)
      .u32(bytes)
      .u32(bytes)
      .u16(nameBytes)
      .u16(0)
      .text;
}

namespace {

struct ArchiveWriter {
  std::vector<std::string> texts; ///< Own the records that `parts` points to.
  std::vector<ArrayRef<char>> parts;
  std::string directory;
  uint64_t offset = 0;

  void add(const std::pair<std::string, Array> &member) {
    std::string name = member.first + ".npy", header = npyHeaderText(member.second);
    ArrayRef<char> data = member.second.bytes;
    uLong checksum = crc32_z(0, reinterpret_cast<const Bytef *>(header.data()), header.size());
    checksum = crc32_z(checksum, reinterpret_cast<const Bytef *>(data.data()), data.size());
    std::string fields = commonFields(checksum, header.size() + data.size(), name.size());
    directory += Record().u32(entrySignature).u16(20).text + fields +
                 Record().u16(0).u16(0).u16(0).u32(0).u32(offset).text + name;
    texts.push_back(Record().u32(localSignature).text + fields + name + header);
    offset += texts.back().size() + data.size();
  }

  void finish(const NamedArrays &arrays) {
    for (auto [text, array] : zip_equal(texts, arrays)) {
      parts.push_back(ArrayRef<char>(text.data(), text.size()));
      parts.push_back(array.second.bytes);
    }
    size_t size = directory.size();
    directory += Record()
                     .u32(endSignature)
                     .u16(0)
                     .u16(0)
                     .u16(arrays.size())
                     .u16(arrays.size())
                     .u32(size)
                     .u32(offset)
                     .u16(0)
                     .text;
    parts.push_back(ArrayRef<char>(directory.data(), directory.size()));
  }
};

} // namespace

Expected<NamedArrays> parseNpz(ArrayRef<char> bytes) {
  Expected<Directory> directory = findDirectory(bytes);
  if (!directory)
    return directory.takeError();
  ArrayRef<char> records = bytes.slice(directory->offset, directory->size);
  NamedArrays arrays;
  StringSet<> names;
  uint64_t total = 0;
  size_t at = 0;
  for (unsigned i = 0; i < directory->count; ++i) {
    Expected<Entry> entry = readEntry(records, at);
    if (!entry)
      return entry.takeError();
    StringRef name = entry->name;
    if (!name.consume_back(".npy") || !names.insert(name).second)
      return createStringError("member '" + entry->name + "' is no .npy file or has a name that occurs twice");
    total += entry->bytes;
    if (total > maxArchiveBytes)
      return createStringError("its arrays have more than 4 GiB; save fewer of them in one file");
    Expected<Array> array = readMember(bytes, *entry);
    if (!array)
      return createStringError("member '" + entry->name + "': " + toString(array.takeError()));
    arrays.emplace_back(name.str(), std::move(*array));
  }
  return arrays;
}

Error writeNpz(StringRef path, const NamedArrays &arrays) {
  StringSet<> names;
  uint64_t total = 0;
  for (const auto &[name, array] : arrays) {
    if (name.empty() || name.size() > 1024 || !names.insert(name).second)
      return createStringError("cannot write '" + path + "': array name '" + name +
                               "' is empty, longer than 1024 bytes, or occurs twice");
    total += array.bytes.size() + (1 << 14);
  }
  if (total >= maxArchiveBytes || arrays.size() >= 0xffff)
    return createStringError("cannot write '" + path + "': " + Twine(arrays.size()) + " arrays of " + Twine(total) +
                             " bytes are more than an .npz file holds (65534 arrays, 4 GiB); write .npy files");
  ArchiveWriter writer;
  for (const auto &member : arrays)
    writer.add(member);
  writer.finish(arrays);
  return writeFile(path, writer.parts);
}

} // namespace anybit::data
