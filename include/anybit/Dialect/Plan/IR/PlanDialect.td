#ifndef ANYBIT_DIALECT_PLAN_IR_PLANDIALECT_TD
#define ANYBIT_DIALECT_PLAN_IR_PLANDIALECT_TD

include "mlir/IR/OpBase.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::anybit::plan";
  let summary = "what the runtime will do";
  let description = [{
    The `plan` dialect mirrors `runtime/include/anybit/abi.h` one to one: a module has a signature, constants, kernels
    (functions) and variants; a variant is a list of dispatches over one arena. Emission is dull by design.
  }];
  let useDefaultAttributePrinterParser = 1;
}

#endif // ANYBIT_DIALECT_PLAN_IR_PLANDIALECT_TD
