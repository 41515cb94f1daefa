#ifndef ANYBIT_DIALECT_MSQ_IR_MSQ_H
#define ANYBIT_DIALECT_MSQ_IR_MSQ_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "anybit/Dialect/Msq/IR/MsqDialect.h.inc"
#include "anybit/Dialect/Msq/IR/MsqEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "anybit/Dialect/Msq/IR/MsqAttributes.h.inc"
#define GET_OP_CLASSES
#include "anybit/Dialect/Msq/IR/MsqOps.h.inc"

#endif // ANYBIT_DIALECT_MSQ_IR_MSQ_H
