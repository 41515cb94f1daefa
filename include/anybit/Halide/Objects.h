//===- Objects.h - object code from Halide ----------------------*- C++ -*-===//
//
// What the generators of lib/Halide wrote when anybit was built, as bytes: artifacts contain some of them. Each has one
// function and no undefined symbol.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_HALIDE_OBJECTS_H
#define ANYBIT_HALIDE_OBJECTS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <vector>

namespace anybit {

struct HalideObject {
  llvm::StringRef name;      ///< Of its function: OP_CLASS, for example max_f32_3x3s2_avx2.
  llvm::StringRef features;  ///< What it asks of a CPU, in LLVM's spelling, comma separated.
  llvm::ArrayRef<char> file; ///< ELF.
};

/// All of them; those of one op follow each other, the class that asks for least first. None for other than x86-64.
llvm::ArrayRef<HalideObject> halideObjects();

} // namespace anybit

#endif // ANYBIT_HALIDE_OBJECTS_H
