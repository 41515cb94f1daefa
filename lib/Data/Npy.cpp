#include "anybit/Data/Npy.h"
#include "NpyFormat.h"
#include "anybit/Support/File.h"

#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;

namespace anybit::data {

/// Copies elements of Fortran order (first index fastest) to C order.
template <size_t N> static void fromFortran(const char *source, const Array &array, char *target) {
  SmallVector<int64_t, 4> strides(array.dims.size()), index(array.dims.size(), 0);
  int64_t stride = 1;
  for (size_t d = 0; d < strides.size(); ++d) {
    strides[d] = stride;
    stride *= array.dims[d];
  }
  int64_t at = 0;
  for (int64_t i = 0, e = array.count(); i < e; ++i) {
    memcpy(target + i * N, source + at * N, N);
    for (size_t d = strides.size(); d-- > 0;) {
      at += strides[d];
      if (++index[d] < array.dims[d])
        break;
      at -= strides[d] * array.dims[d];
      index[d] = 0;
    }
  }
}

static void reorder(const char *source, Array &array) {
  switch (elementBytes(array.type)) {
  case 1:
    return fromFortran<1>(source, array, array.bytes.data());
  case 2:
    return fromFortran<2>(source, array, array.bytes.data());
  case 4:
    return fromFortran<4>(source, array, array.bytes.data());
  default:
    return fromFortran<8>(source, array, array.bytes.data());
  }
}

template <typename T> static Expected<T> withFile(StringRef path, function_ref<Expected<T>(ArrayRef<char>)> parse) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError("cannot read '" + path + "': " + buffer.getError().message());
  Expected<T> result = parse(ArrayRef<char>((*buffer)->getBufferStart(), (*buffer)->getBufferSize()));
  if (!result)
    return createFileError(path, result.takeError());
  return result;
}

Expected<Array> parseNpy(ArrayRef<char> bytes) {
  Expected<NpyHeader> header = parseNpyHeader(bytes);
  if (!header)
    return header.takeError();
  Array array;
  array.type = header->type;
  array.dims = header->dims;
  const char *source = bytes.data() + header->dataOffset;
  array.bytes.assign(source, bytes.data() + bytes.size());
  if (header->fortranOrder)
    reorder(source, array);
  auto width = static_cast<std::ptrdiff_t>(elementBytes(array.type));
  if (header->bigEndian != sys::IsBigEndianHost && width > 1)
    for (auto it = array.bytes.begin(); it != array.bytes.end(); it += width)
      std::reverse(it, it + width);
  if (array.type == ElementType::Bool)
    for (char &byte : array.bytes)
      byte = byte ? 1 : 0;
  return array;
}

Expected<NpyHeader> readNpyHeader(StringRef path) { return withFile<NpyHeader>(path, parseNpyHeader); }

Expected<Array> readNpy(StringRef path) { return withFile<Array>(path, parseNpy); }

Expected<NamedArrays> readNpz(StringRef path) { return withFile<NamedArrays>(path, parseNpz); }

Error writeNpy(StringRef path, const Array &array) {
  std::string header = npyHeaderText(array);
  return writeFile(path, {ArrayRef<char>(header.data(), header.size()), ArrayRef<char>(array.bytes)});
}

} // namespace anybit::data
