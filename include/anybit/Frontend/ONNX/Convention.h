//===- Convention.h - functions of the domain ai.anybit ---------*- C++ -*-===//
//
// Convention C3: quantizers and wavelets are calls of model-local functions whose bodies are standard ops. Here are the
// canonical bodies, for writers, and their recognition, for the reader. All bodies use opset 17 and need IR 10.
//
//   MixBands(w, alpha) {layout, wavelet, group = 1}, overload "<layout>_<wavelet>"
//       w float32 [O, I/group], [O, I/group, k] or [O, I/group, kh, kw]; alpha float32 [4] in the order LL, LH, HL, HH.
//       The result has the shape of w (numerics N3).
//   FakeQuantSigned(x, scale, bits), FakeQuantUnsigned(x, scale, zero_point, bits), FakeQuantOdd(x, scale, bits)
//       x float32; scale float32 and zero_point of any integer type broadcast to x: rank 0 per tensor, [O, 1, 1, 1] (of
//       the rank of x) per output channel; bits int64, rank 0, 1 to 8 (numerics N2).
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_FRONTEND_ONNX_CONVENTION_H
#define ANYBIT_FRONTEND_ONNX_CONVENTION_H

#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace onnx {
class FunctionProto;
class ModelProto;
} // namespace onnx

namespace anybit::onnx {

inline constexpr llvm::StringLiteral conventionDomain = "ai.anybit";
inline constexpr llvm::StringLiteral candidateInput = "candidate";
inline constexpr llvm::StringLiteral candidatesKey = "anybit.candidates";

/// What a canonical body computes.
struct ConventionFunction {
  std::string op;      ///< "MixBands", "FakeQuantSigned", "FakeQuantUnsigned" or "FakeQuantOdd".
  std::string layout;  ///< Of MixBands: "tile", "matrix", "plane" or "spatial".
  std::string wavelet; ///< Of MixBands: "haar" or "db2".
};

/// The overload under which a writer files a body: "tile_haar", …; empty for the quantizers.
std::string overloadOf(const ConventionFunction &function);

/// All functions of the convention.
const std::vector<ConventionFunction> &conventionFunctions();

/// The canonical body of `function`, one of conventionFunctions().
::onnx::FunctionProto buildConventionFunction(const ConventionFunction &function);

/// The function whose canonical body `candidate` has, whatever its values, nodes and itself are called; null if none.
const ConventionFunction *recognizeConventionFunction(const ::onnx::FunctionProto &candidate);

/// Adds to `model` the functions of the convention that its main graph calls and does not have yet, and the import of
/// their domain. Writers set ir_version 10 and opset 17 themselves.
void addConventionFunctions(::onnx::ModelProto &model);

} // namespace anybit::onnx

#endif // ANYBIT_FRONTEND_ONNX_CONVENTION_H
