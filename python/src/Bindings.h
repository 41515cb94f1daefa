//===- Bindings.h - the parts of the extension ------------------*- C++ -*-===//
#ifndef ANYBIT_PYTHON_BINDINGS_H
#define ANYBIT_PYTHON_BINDINGS_H

#include <nanobind/nanobind.h>

#include <string>

namespace anybit::python {

/// A str, bytes or os.PathLike as the system spells it. Raises TypeError, and ValueError for a null character.
std::string pathOf(nanobind::handle path);

/// `Model` and `load`.
void bindModel(nanobind::module_ &module);

/// `compile_model` and `quantize_model`, which anybit/_tools.py wraps.
void bindTools(nanobind::module_ &module);

} // namespace anybit::python

#endif // ANYBIT_PYTHON_BINDINGS_H
