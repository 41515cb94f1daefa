/// What tests of sessions over the hand-made module share.
#ifndef ANYBIT_TEST_TEST_SESSION_H
#define ANYBIT_TEST_TEST_SESSION_H

#include "anybit/runtime.h"

#include "TestModule.h"

inline anybit_session_options optionsWith(uint32_t threads) {
  anybit_session_options options = {};
  options.size = sizeof options;
  options.threads = threads;
  return options;
}

/// A writable copy of the test module's descriptor and of one of its dispatches.
struct Copy {
  anybit_module_descriptor descriptor = anybit_test_module;
  anybit_tensor input = anybit_test_module.inputs[0];
  anybit_kernel kernels[2] = {anybit_test_module.kernels[0], anybit_test_module.kernels[1]};
  anybit_variant variant = anybit_test_module.variants[0];
  anybit_dispatch dispatch = variant.dispatches[0];
  anybit_argument arguments[3] = {dispatch.arguments[0], dispatch.arguments[1], dispatch.arguments[2]};
  Copy() {
    dispatch.arguments = arguments;
    variant.dispatches = &dispatch;
    variant.dispatch_count = 1;
    descriptor.variants = &variant;
    descriptor.variant_count = 1;
    descriptor.inputs = &input;
    descriptor.kernels = kernels;
  }
};

#endif // ANYBIT_TEST_TEST_SESSION_H
