//===- Prescan.h - the cost of a file before it is parsed -------*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_PRESCAN_H
#define ANYBIT_LIB_FRONTEND_ONNX_PRESCAN_H

#include <cstdint>

namespace google::protobuf::io {
class ZeroCopyInputStream;
} // namespace google::protobuf::io

namespace anybit::onnx {

/// Bytes of memory that the messages and strings of an ONNX file take once they are parsed, from their tags and lengths
/// alone: two bytes of a file can be an empty message of hundreds of bytes. The content of strings and numbers is not
/// in it; numbers take at most 8 times their bytes in the file. Stops above `limit`, and where the file is damaged,
/// which parsing reports.
int64_t parsedSize(google::protobuf::io::ZeroCopyInputStream &stream, int64_t limit);

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_PRESCAN_H
