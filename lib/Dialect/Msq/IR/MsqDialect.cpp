#include "anybit/Dialect/Msq/IR/Msq.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace anybit::msq;

#include "anybit/Dialect/Msq/IR/MsqDialect.cpp.inc"
#include "anybit/Dialect/Msq/IR/MsqEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "anybit/Dialect/Msq/IR/MsqAttributes.cpp.inc"
#define GET_OP_CLASSES
#include "anybit/Dialect/Msq/IR/MsqOps.cpp.inc"

void MsqDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "anybit/Dialect/Msq/IR/MsqOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "anybit/Dialect/Msq/IR/MsqAttributes.cpp.inc"
      >();
}

Operation *MsqDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) {
  return arith::ConstantOp::materialize(builder, value, type, loc);
}
