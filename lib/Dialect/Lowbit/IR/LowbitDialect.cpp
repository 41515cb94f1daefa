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

static bool hasBits(Family family, unsigned bits) {
  switch (family) {
  case Family::Dot4:
  case Family::Amx:
    return bits == 1 || bits == 2 || bits == 4 || bits == 8;
  case Family::Depthwise:
    return bits == 8 || bits == 16 || bits == 32;
  case Family::Real:
    return bits == 32;
  case Family::Popcount:
  case Family::Table:
    return bits >= 1 && bits <= 8;
  }
  return false;
}

LogicalResult PackedAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, Family family, unsigned columns,
                                 unsigned bits, unsigned taps, unsigned planes, unsigned pairSteps) {
  if (!hasBits(family, bits))
    return emitError() << stringifyFamily(family) << " does not store weights in " << bits << " bits";
  bool isDot4 = family == Family::Dot4, inSteps = isDot4 || family == Family::Amx;
  unsigned unit = family == Family::Amx ? 16 : bits == 1 && isDot4 ? 8 : 4;
  if (columns == 0 || columns % unit != 0)
    return emitError() << "has blocks of " << columns << " columns, expected a multiple of " << unit << " at " << bits
                       << " bits";
  if (taps == 0 || (taps > 1 && !inSteps))
    return emitError() << "has runs of " << taps << " taps, expected 1, or more for dot4 and amx";
  unsigned mostPlanes = inSteps && bits == 8 ? 3 : 1;
  if (planes == 0 || planes > mostPlanes)
    return emitError() << "has " << planes << " planes, expected 1, or up to 3 for dot4 and amx at 8 bits";
  if (pairSteps > 0 && (!isDot4 || planes > 1))
    return emitError() << "has int16 sums of " << pairSteps << " steps, which only dot4 of one plane has";
  return success();
}

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
