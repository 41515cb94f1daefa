//===- MixBands.h - the body of ai.anybit.MixBands --------------*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_MIXBANDS_H
#define ANYBIT_LIB_FRONTEND_ONNX_MIXBANDS_H

#include "anybit/Frontend/ONNX/Convention.h"

#include "onnx-ml.pb.h"

namespace anybit::onnx {

/// Fills inputs, outputs, attributes and nodes of `proto`.
void buildMixBands(const ConventionFunction &function, ::onnx::FunctionProto &proto);

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_MIXBANDS_H
