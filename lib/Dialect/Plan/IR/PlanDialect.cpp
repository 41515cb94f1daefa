#include "anybit/Dialect/Plan/IR/Plan.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace anybit::plan;

#include "anybit/Dialect/Plan/IR/PlanDialect.cpp.inc"
#include "anybit/Dialect/Plan/IR/PlanEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "anybit/Dialect/Plan/IR/PlanAttributes.cpp.inc"
#define GET_OP_CLASSES
#include "anybit/Dialect/Plan/IR/PlanOps.cpp.inc"

void PlanDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "anybit/Dialect/Plan/IR/PlanOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "anybit/Dialect/Plan/IR/PlanAttributes.cpp.inc"
      >();
}
