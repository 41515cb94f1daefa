//===- FoldBody.h - scalar bodies on constant elements ----------*- C++ -*-===//
#ifndef ANYBIT_LIB_TRANSFORMS_FOLDBODY_H
#define ANYBIT_LIB_TRANSFORMS_FOLDBODY_H

#include "mlir/IR/Attributes.h"
#include "mlir/IR/Block.h"
#include "mlir/IR/Types.h"

namespace anybit {

/// One element of a constant as an attribute, and back.
mlir::Attribute readElement(mlir::Type type, const char *data);
void writeElement(mlir::Attribute value, char *data);

/// Folds the body of a generic for one element; null if an op does not fold.
mlir::Attribute foldBody(mlir::Block &body, llvm::ArrayRef<mlir::Attribute> arguments);

} // namespace anybit

#endif // ANYBIT_LIB_TRANSFORMS_FOLDBODY_H
