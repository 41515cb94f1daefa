//===- Arrays.h - NumPy arrays as the tensors of a call ---------*- C++ -*-===//
//
// Arrays come in through the buffer protocol, without a copy and without NumPy; results are fresh NumPy arrays.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_PYTHON_ARRAYS_H
#define ANYBIT_PYTHON_ARRAYS_H

#include "Session.h"

#include <nanobind/nanobind.h>

#include <optional>
#include <utility>

namespace anybit::python {

/// "float32", "uint8", "int8", "int32", "int64" or "bool": NumPy's name.
const char *elementName(uint32_t type);

/// The shape of `slices` of `tensor`: that many times its rows; of a scalar, a vector when there are several.
nanobind::tuple shapeOf(const anybit_tensor &tensor, int64_t slices);

/// numpy.FUNCTION (`empty`, `zeros`) of that shape and the tensor's type.
nanobind::object newArray(const char *function, const anybit_tensor &tensor, int64_t slices);

/// A buffer that cannot be resized or freed while this exists.
class View {
public:
  /// Of `array` as it is, with all strides; nullopt if it has no buffer.
  static std::optional<View> of(nanobind::handle array);
  View(View &&other) : buffer(std::exchange(other.buffer, {})) {}
  View &operator=(View &&) = delete;
  ~View() { PyBuffer_Release(&buffer); }

  const Py_buffer &operator*() const { return buffer; }
  const Py_buffer *operator->() const { return &buffer; }

private:
  explicit View(const Py_buffer &buffer) : buffer(buffer) {}
  Py_buffer buffer;
};

/// The arrays of one call. They stay alive and in place while it exists.
class Arrays {
public:
  /// Takes `positional` in the order of the inputs that `named` leaves. Raises TypeError (an input missing, unknown or
  /// given twice; no array; another dtype) and ValueError (another shape, not C-contiguous, misaligned), with all
  /// problems at once.
  Arrays(const anybit_module_descriptor &artifact, nanobind::args positional, nanobind::kwargs named);

  const Slices &slices() const { return pointers; }

  /// The outputs: one array, or a tuple of several.
  nanobind::object results() const;

private:
  void addOutput(const anybit_tensor &tensor);

  std::vector<View> views;
  std::vector<nanobind::object> outputs;
  Slices pointers;
};

} // namespace anybit::python

#endif // ANYBIT_PYTHON_ARRAYS_H
