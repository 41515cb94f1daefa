#include "NpyFormat.h"
#include "anybit/Data/Npy.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"

using namespace llvm;

namespace anybit::data {

constexpr StringLiteral npyMagic("\x93NUMPY");
constexpr size_t maxHeaderBytes = 1 << 16;
constexpr size_t maxRank = 32;

namespace {

struct Descriptor {
  StringLiteral code; ///< Without byte order.
  ElementType type;
};

} // namespace
constexpr Descriptor descriptors[] = {
    {"f4", ElementType::Float32}, {"f8", ElementType::Float64}, {"f2", ElementType::Float16},
    {"u1", ElementType::UInt8},   {"i1", ElementType::Int8},    {"u2", ElementType::UInt16},
    {"i2", ElementType::Int16},   {"i4", ElementType::Int32},   {"i8", ElementType::Int64},
    {"b1", ElementType::Bool},
};

namespace {

/// Parses the Python dictionary literal of a header: three known keys, a string, a bool and a tuple of numbers.
class HeaderParser {
public:
  HeaderParser(StringRef text, NpyHeader &header) : rest(text), header(header) {}

  Error parse() {
    if (!eat("{"))
      return damaged("does not begin with '{'");
    while (!eat("}")) {
      if (Error error = parseEntry())
        return error;
      if (!eat(",") && !peek("}"))
        return damaged("has no ',' or '}' behind a value");
    }
    if (!rest.trim().empty())
      return damaged("goes on behind its '}'");
    if (!hasDescr || !hasOrder || !hasShape)
      return damaged("lacks one of 'descr', 'fortran_order' and 'shape'");
    return Error::success();
  }

private:
  Error damaged(const Twine &what) { return createStringError("the header " + what); }
  bool peek(StringRef token) {
    rest = rest.ltrim();
    return rest.starts_with(token);
  }
  bool eat(StringRef token) {
    rest = rest.ltrim();
    return rest.consume_front(token);
  }

  Expected<StringRef> parseString() {
    char quote = peek("'") ? '\'' : '"';
    if (!eat(StringRef(&quote, 1)))
      return damaged("has no string where one is expected (structured element types cannot be read)");
    size_t end = rest.find(quote);
    if (end == StringRef::npos)
      return damaged("has a string without end");
    StringRef text = rest.take_front(end);
    rest = rest.drop_front(end + 1);
    return text;
  }

  Error parseEntry() {
    Expected<StringRef> key = parseString();
    if (!key)
      return key.takeError();
    if (!eat(":"))
      return damaged("has no ':' behind '" + *key + "'");
    if (*key == "descr" && !std::exchange(hasDescr, true))
      return parseDescriptor();
    if (*key == "fortran_order" && !std::exchange(hasOrder, true))
      return parseOrder();
    if (*key == "shape" && !std::exchange(hasShape, true))
      return parseShape();
    return damaged("has the key '" + *key + "' twice, or it is unknown");
  }

  Error parseDescriptor() {
    Expected<StringRef> text = parseString();
    if (!text)
      return text.takeError();
    const auto *found =
        find_if(descriptors, [&](const Descriptor &d) { return text->drop_front(!text->empty()) == d.code; });
    bool order = !text->empty() && StringRef("<>|=").contains(text->front());
    if (!order || found == std::end(descriptors))
      return createStringError("element type '" + *text +
                               "' cannot be read; convert the array to float32 (or float16, float64, bool, uint8, "
                               "int8, uint16, int16, int32, int64)");
    header.type = found->type;
    header.bigEndian = text->front() == '>';
    return Error::success();
  }

  Error parseOrder() {
    header.fortranOrder = eat("True");
    if (!header.fortranOrder && !eat("False"))
      return damaged("has a 'fortran_order' that is neither True nor False");
    return Error::success();
  }

  Error parseShape() {
    if (!eat("("))
      return damaged("has a 'shape' that does not begin with '('");
    while (!eat(")")) {
      uint64_t dim = 0;
      if (!(peek("") && !rest.empty() && isDigit(rest.front())) || rest.consumeInteger(10, dim) || dim > INT64_MAX)
        return damaged("has a 'shape' with something that is no number of 63 bits");
      header.dims.push_back(static_cast<int64_t>(dim));
      if (header.dims.size() > maxRank)
        return damaged("has a 'shape' of more than " + Twine(maxRank) + " dimensions");
      if (!eat(",") && !peek(")"))
        return damaged("has a 'shape' without ',' or ')' behind a number");
    }
    return Error::success();
  }

  StringRef rest;
  NpyHeader &header;
  bool hasDescr = false, hasOrder = false, hasShape = false;
};

} // namespace

/// Where the text of the header begins and ends, from the fixed fields before it.
static Expected<std::pair<uint64_t, uint64_t>> headerExtent(ArrayRef<char> bytes) {
  if (!StringRef(bytes.data(), bytes.size()).starts_with(npyMagic))
    return createStringError("this is no .npy file: it does not begin with \\x93NUMPY");
  size_t lengthBytes = bytes.size() > 6 && bytes[6] == 1 ? 2 : 4;
  uint64_t begin = 8 + lengthBytes;
  if (bytes.size() < begin)
    return createStringError("the file is truncated: " + Twine(bytes.size()) + " bytes, less than its header");
  if (bytes[6] < 1 || bytes[6] > 3)
    return createStringError(".npy format " + Twine(unsigned(uint8_t(bytes[6]))) +
                             " is unknown (1, 2 and 3 can be read)");
  const char *length = bytes.data() + 8;
  uint64_t size = lengthBytes == 2 ? support::endian::read16le(length) : support::endian::read32le(length);
  if (size > maxHeaderBytes)
    return createStringError("the header claims " + Twine(size) + " bytes; at most " + Twine(maxHeaderBytes) +
                             " are read");
  if (bytes.size() < begin + size)
    return createStringError("the file is truncated: " + Twine(bytes.size()) + " bytes, its header ends at " +
                             Twine(begin + size));
  return std::make_pair(begin, begin + size);
}

std::string npyHeaderText(const Array &array) {
  std::string shape;
  for (int64_t dim : array.dims)
    shape += std::to_string(dim) + (array.dims.size() == 1 ? "," : ", ");
  StringRef dims = StringRef(shape);
  if (array.dims.size() > 1)
    dims = dims.drop_back(2);
  const auto *found = find_if(descriptors, [&](const Descriptor &d) { return d.type == array.type; });
  StringRef order = elementBytes(array.type) == 1 ? "|" : sys::IsBigEndianHost ? ">" : "<";
  std::string text =
      ("{'descr': '" + order + found->code + "', 'fortran_order': False, 'shape': (" + dims + "), }").str();
  // The elements begin at a multiple of 64 bytes, as NumPy has it.
  constexpr size_t fixed = 10;
  text.append(63 - (fixed + text.size()) % 64, ' ');
  text += '\n';
  std::string header = npyMagic.str() + std::string("\x01\x00", 2);
  header += static_cast<char>(text.size() & 255);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

Expected<NpyHeader> parseNpyHeader(ArrayRef<char> bytes) {
  auto extent = headerExtent(bytes);
  if (!extent)
    return extent.takeError();
  NpyHeader header;
  auto [begin, end] = *extent;
  if (Error error = HeaderParser(StringRef(bytes.data() + begin, end - begin), header).parse())
    return std::move(error);
  header.dataOffset = end;
  Expected<uint64_t> size = byteSize(header.type, header.dims);
  if (!size)
    return size.takeError();
  if (bytes.size() - end != *size)
    return createStringError("the header says " + shapeText(header.dims) + " of " + elementName(header.type) + ", " +
                             Twine(*size) + " bytes, but " + Twine(bytes.size() - end) +
                             " bytes follow it (the file is " +
                             (bytes.size() - end < *size ? "truncated" : "too long") + ")");
  return header;
}

} // namespace anybit::data
