#include "Arrays.h"
#include "Errors.h"

#include <string_view>

namespace nb = nanobind;

namespace anybit::python {

const char *elementName(uint32_t type) {
  switch (type) {
  case ANYBIT_FLOAT32:
    return "float32";
  case ANYBIT_UINT8:
    return "uint8";
  case ANYBIT_INT8:
    return "int8";
  case ANYBIT_INT32:
    return "int32";
  case ANYBIT_INT64:
    return "int64";
  case ANYBIT_BOOL:
    return "bool";
  }
  throw StatusError(ANYBIT_INVALID_ARTIFACT, "element type " + std::to_string(type) + " is unknown");
}

/// NumPy's name of a buffer's elements, or the format itself where it is no plain number of this machine.
static std::string elementName(const Py_buffer &buffer) {
  std::string format = buffer.format ? buffer.format : "B";
  std::string_view code = format;
  if (code.size() == 2 && (code[0] == '@' || code[0] == '=' || code[0] == '<'))
    code.remove_prefix(1);
  std::string bits = std::to_string(8 * buffer.itemsize);
  if (code == "?")
    return "bool";
  if (code.size() == 1 && std::string_view("efd").find(code[0]) != std::string_view::npos)
    return "float" + bits;
  if (code.size() == 1 && std::string_view("bhilqn").find(code[0]) != std::string_view::npos)
    return "int" + bits;
  if (code.size() == 1 && std::string_view("BHILQN").find(code[0]) != std::string_view::npos)
    return "uint" + bits;
  return "of format '" + format + "'";
}

template <class Dimension> static std::string shapeText(const Dimension *dimensions, size_t rank) {
  std::string text = rank ? "" : "scalar";
  for (size_t i = 0; i < rank; ++i)
    text += (i ? "x" : "") + std::to_string(dimensions[i]);
  return text;
}

static std::string typeText(const anybit_tensor &tensor) {
  return elementName(tensor.element_type) + (" " + shapeText(tensor.dimensions, tensor.rank));
}

nb::tuple shapeOf(const anybit_tensor &tensor, int64_t slices) {
  nb::list shape;
  for (uint32_t i = 0; i < tensor.rank; ++i)
    shape.append(nb::int_(tensor.dimensions[i]));
  // Python's integers: the product may leave int64.
  if (tensor.rank && slices > 1)
    shape[0] = nb::int_(tensor.dimensions[0]) * nb::int_(slices);
  if (!tensor.rank && slices > 1)
    shape.append(nb::int_(slices));
  return nb::tuple(shape);
}

nb::object newArray(const char *function, const anybit_tensor &tensor, int64_t slices) {
  nb::object numpy = nb::module_::import_("numpy");
  return numpy.attr(function)(shapeOf(tensor, slices), elementName(tensor.element_type));
}

std::optional<View> View::of(nb::handle array) {
  Py_buffer buffer;
  if (PyObject_GetBuffer(array.ptr(), &buffer, PyBUF_RECORDS_RO) == 0)
    return View(buffer);
  PyErr_Clear();
  return std::nullopt;
}

namespace {

/// Everything that is wrong with the arguments of one call, raised together.
class Problems {
public:
  void type(const std::string &sentence) { add(sentence, PyExc_TypeError); }
  void value(const std::string &sentence) { add(sentence, PyExc_ValueError); }
  void raiseAny() const {
    if (worst)
      raise(worst, text);
  }

private:
  void add(const std::string &sentence, PyObject *kind) {
    text += (text.empty() ? "" : "; ") + sentence;
    worst = worst == PyExc_TypeError ? worst : kind;
  }

  std::string text;
  PyObject *worst = nullptr;
};

} // namespace

static std::string quoted(const char *name) { return "input '" + std::string(name) + "'"; }

static std::string pythonText(nb::handle object) { return nb::borrow<nb::str>(object).c_str(); }

/// The array of every input, in order; null where a problem was found.
static std::vector<nb::handle> matchInputs(const anybit_module_descriptor &artifact, nb::args positional,
                                           nb::kwargs named, Problems &problems) {
  std::vector<nb::handle> matched(artifact.input_count);
  for (auto [name, array] : named) {
    uint32_t index = 0;
    while (index < artifact.input_count && pythonText(name) != artifact.inputs[index].name)
      ++index;
    if (index < artifact.input_count)
      matched[index] = array;
    else
      problems.type("'" + pythonText(name) + "' is no input of '" + artifact.model + "'");
  }
  size_t next = 0;
  for (nb::handle array : positional) {
    while (next < matched.size() && matched[next].is_valid())
      ++next;
    if (next == matched.size()) {
      problems.type(std::to_string(positional.size() + named.size()) + " arrays are given, '" + artifact.model +
                    "' has " + std::to_string(matched.size()) + (matched.size() == 1 ? " input" : " inputs"));
      break;
    }
    matched[next] = array;
  }
  for (uint32_t i = 0; i < artifact.input_count; ++i)
    if (!matched[i].is_valid())
      problems.type(quoted(artifact.inputs[i].name) + " (" + typeText(artifact.inputs[i]) + ") is missing");
  return matched;
}

/// How many slices of `tensor` a shape holds, or nullopt if it does not fit.
static std::optional<int64_t> countSlices(const Py_buffer &have, const anybit_tensor &want) {
  if (static_cast<uint32_t>(have.ndim) != want.rank)
    return std::nullopt;
  if (want.rank == 0 || std::equal(want.dimensions, want.dimensions + want.rank, have.shape))
    return 1;
  bool rowsDivide = want.dimensions[0] > 0 && have.shape[0] > 0 && have.shape[0] % want.dimensions[0] == 0;
  if (!rowsDivide || !std::equal(want.dimensions + 1, want.dimensions + want.rank, have.shape + 1))
    return std::nullopt;
  return have.shape[0] / want.dimensions[0];
}

/// The slices of one array, or nullopt after saying what is wrong with it.
static std::optional<int64_t> checkArray(const Py_buffer &have, const anybit_tensor &want, Problems &problems) {
  std::string found = elementName(have) + " " + shapeText(have.shape, static_cast<size_t>(have.ndim));
  std::string sentence = quoted(want.name) + " is " + found + ", expected " + typeText(want);
  if (elementName(have) != elementName(want.element_type)) {
    problems.type(sentence + ", convert it with .astype(numpy." + elementName(want.element_type) + ")");
    return std::nullopt;
  }
  std::optional<int64_t> slices = countSlices(have, want);
  if (!slices) {
    problems.value(sentence + (want.rank ? " (or a multiple of its rows)" : ""));
    return std::nullopt;
  }
  bool aligned = reinterpret_cast<uintptr_t>(have.buf) % static_cast<size_t>(have.itemsize) == 0;
  if (PyBuffer_IsContiguous(&have, 'C') && aligned)
    return slices;
  problems.value(quoted(want.name) + " is not " + (aligned ? "C-contiguous" : "aligned to its elements") + ", pass " +
                 (aligned ? "numpy.ascontiguousarray(array)" : "array.copy()"));
  return std::nullopt;
}

Arrays::Arrays(const anybit_module_descriptor &artifact, nb::args positional, nb::kwargs named) {
  Problems problems;
  std::vector<nb::handle> arrays = matchInputs(artifact, positional, named, problems);
  problems.raiseAny();
  std::optional<int64_t> slices;
  for (uint32_t i = 0; i < artifact.input_count; ++i) {
    const anybit_tensor &tensor = artifact.inputs[i];
    std::optional<View> view = View::of(arrays[i]);
    if (!view) {
      problems.type(quoted(tensor.name) + " is a " + pythonText(nb::inst_name(arrays[i])) +
                    ", expected a NumPy array of " + typeText(tensor));
      continue;
    }
    std::optional<int64_t> own = checkArray(**view, tensor, problems);
    if (slices && own && *own != *slices)
      problems.value(quoted(tensor.name) + " has rows for " + std::to_string(*own) +
                     " runs, the inputs before it for " + std::to_string(*slices));
    slices = slices ? slices : own;
    pointers.inputs.push_back(static_cast<const uint8_t *>((*view)->buf));
    views.push_back(std::move(*view));
  }
  problems.raiseAny();
  pointers.count = slices.value_or(1);
  for (uint32_t i = 0; i < artifact.output_count; ++i)
    addOutput(artifact.outputs[i]);
}

void Arrays::addOutput(const anybit_tensor &tensor) {
  outputs.push_back(newArray("empty", tensor, pointers.count));
  std::optional<View> view = View::of(outputs.back());
  pointers.outputs.push_back(static_cast<uint8_t *>((*view)->buf));
  views.push_back(std::move(*view));
}

nb::object Arrays::results() const {
  if (outputs.size() == 1)
    return outputs.front();
  nb::list all;
  for (const nb::object &output : outputs)
    all.append(output);
  return nb::tuple(all);
}

} // namespace anybit::python
