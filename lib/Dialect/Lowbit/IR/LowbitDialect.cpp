#include "anybit/Dialect/Lowbit/IR/Lowbit.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace anybit::lowbit;

#include "anybit/Dialect/Lowbit/IR/LowbitDialect.cpp.inc"
#include "anybit/Dialect/Lowbit/IR/LowbitEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "anybit/Dialect/Lowbit/IR/LowbitAttributes.cpp.inc"
#define GET_OP_CLASSES
#include "anybit/Dialect/Lowbit/IR/LowbitOps.cpp.inc"

void LowbitDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "anybit/Dialect/Lowbit/IR/LowbitOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "anybit/Dialect/Lowbit/IR/LowbitAttributes.cpp.inc"
      >();
}
