//===- Errors.h - failures as Python exceptions -----------------*- C++ -*-===//
#ifndef ANYBIT_PYTHON_ERRORS_H
#define ANYBIT_PYTHON_ERRORS_H

#include <nanobind/nanobind.h>

#include <string>

namespace anybit::python {

/// Text of a file as str; bytes that are no UTF-8 are replaced.
nanobind::str textOf(const std::string &bytes);

/// Throws `type` with `sentence`.
[[noreturn]] void raise(nanobind::handle type, const std::string &sentence);

/// Throws anybit.InvalidInput.
[[noreturn]] void raiseInvalidInput(const std::string &sentence);

/// Makes StatusError the exception of anybit/_errors.py that tells what to do, and BusyError a RuntimeError.
void translateStatusErrors();

} // namespace anybit::python

#endif // ANYBIT_PYTHON_ERRORS_H
