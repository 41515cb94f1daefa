//===- Window.h - the sliding window of Conv and pools ----------*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_IMPORT_WINDOW_H
#define ANYBIT_LIB_FRONTEND_ONNX_IMPORT_WINDOW_H

#include "NodeContext.h"

namespace anybit::onnx {

struct Window {
  Dims kernel, strides, pads, dilations;
  Dims outputs; ///< Number of windows per spatial dimension.
};

/// The window of a node over its input 0, with `auto_pad` and `ceil_mode` resolved. Nothing after a report.
std::optional<Window> resolveWindow(NodeContext &ctx, Dims kernel);

/// The sizes that attribute `name` gives, `count` of them between `lowest` and 2^31, or `otherwise` for each.
Dims windowAttr(NodeContext &ctx, llvm::StringRef name, size_t count, int64_t lowest, int64_t otherwise);

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_IMPORT_WINDOW_H
