#include "Bindings.h"
#include "Errors.h"

namespace nb = nanobind;
using namespace anybit::python;

std::string anybit::python::pathOf(nb::handle path) {
  PyObject *converted = nullptr;
  if (!PyUnicode_FSConverter(path.ptr(), &converted))
    throw nb::python_error();
  auto bytes = nb::steal<nb::bytes>(converted);
  return {bytes.c_str(), bytes.size()};
}

NB_MODULE(_anybit, module) {
  module.doc() = "The compiled part of anybit; use it through the package.";
  translateStatusErrors();
  bindModel(module);
  bindTools(module);
}
