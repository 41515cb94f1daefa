#ifndef ANYBIT_DIALECT_PLAN_IR_PLAN_H
#define ANYBIT_DIALECT_PLAN_IR_PLAN_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"

#include "anybit/Dialect/Plan/IR/PlanDialect.h.inc"
#include "anybit/Dialect/Plan/IR/PlanEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "anybit/Dialect/Plan/IR/PlanAttributes.h.inc"
#define GET_OP_CLASSES
#include "anybit/Dialect/Plan/IR/PlanOps.h.inc"

#endif // ANYBIT_DIALECT_PLAN_IR_PLAN_H
