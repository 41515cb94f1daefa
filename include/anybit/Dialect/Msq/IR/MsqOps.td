#ifndef ANYBIT_DIALECT_MSQ_IR_MSQOPS_TD
#define ANYBIT_DIALECT_MSQ_IR_MSQOPS_TD

// Only includes: the ops are grouped by subject.
include "anybit/Dialect/Msq/IR/MsqCandidateOps.td"
include "anybit/Dialect/Msq/IR/MsqQuantizeOps.td"
include "anybit/Dialect/Msq/IR/MsqWindowOps.td"

#endif // ANYBIT_DIALECT_MSQ_IR_MSQOPS_TD
