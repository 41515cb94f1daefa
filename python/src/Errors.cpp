#include "Errors.h"
#include "Session.h"

namespace nb = nanobind;

namespace anybit::python {

nb::str textOf(const std::string &bytes) {
  return nb::steal<nb::str>(PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "replace"));
}

static nb::object errorClass(const char *name) { return nb::module_::import_("anybit._errors").attr(name); }

void raise(nb::handle type, const std::string &sentence) {
  PyErr_SetObject(type.ptr(), textOf(sentence).ptr());
  throw nb::python_error();
}

void raiseInvalidInput(const std::string &sentence) { raise(errorClass("InvalidInput"), sentence); }

static nb::object classOf(anybit_status status) {
  switch (status) {
  case ANYBIT_INVALID_ARGUMENT:
  case ANYBIT_INVALID_ARTIFACT:
  case ANYBIT_IO_ERROR:
    return errorClass("InvalidInput");
  case ANYBIT_INCOMPATIBLE_ABI:
  case ANYBIT_UNSUPPORTED_CPU:
    return errorClass("Unsupported");
  case ANYBIT_OUT_OF_MEMORY:
    return nb::borrow(PyExc_MemoryError);
  case ANYBIT_OK:
  case ANYBIT_INTERNAL:
    break;
  }
  return errorClass("InternalError");
}

void translateStatusErrors() {
  nb::register_exception_translator([](const std::exception_ptr &pointer, void *) {
    try {
      std::rethrow_exception(pointer);
    } catch (const StatusError &error) {
      PyErr_SetObject(classOf(error.status).ptr(), textOf(error.what()).ptr());
    } catch (const BusyError &error) {
      PyErr_SetString(PyExc_RuntimeError, error.what());
    }
  });
}

} // namespace anybit::python
