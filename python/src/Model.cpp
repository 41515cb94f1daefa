#include "Arrays.h"
#include "Bindings.h"
#include "Errors.h"

#include <nanobind/stl/string.h>

#include <chrono>

namespace nb = nanobind;

namespace anybit::python {

/// A tuple class of anybit/_types.py.
static nb::object typeClass(const char *name) { return nb::module_::import_("anybit._types").attr(name); }

/// Between slices: lets a signal such as Ctrl-C end a long call.
static std::function<void()> signalCheck() {
  using Clock = std::chrono::steady_clock;
  return [last = Clock::now()]() mutable {
    if (Clock::now() - last < std::chrono::milliseconds(100))
      return;
    last = Clock::now();
    nb::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() != 0)
      throw nb::python_error();
  };
}

static nb::object call(Session &session, nb::args positional, nb::kwargs named) {
  Arrays arrays(session.descriptor(), positional, named);
  {
    nb::gil_scoped_release release;
    session.run(arrays.slices(), signalCheck());
  }
  return arrays.results();
}

static nb::args zerosOf(const anybit_module_descriptor &artifact) {
  nb::list zeros;
  for (uint32_t i = 0; i < artifact.input_count; ++i)
    zeros.append(newArray("zeros", artifact.inputs[i], 1));
  return nb::borrow<nb::args>(nb::tuple(zeros));
}

static nb::list profile(Session &session, nb::args positional, nb::kwargs named) {
  const anybit_module_descriptor &artifact = session.descriptor();
  bool given = positional.size() + named.size() > 0;
  Arrays arrays(artifact, given ? positional : zerosOf(artifact), named);
  std::vector<Timing> timings;
  {
    nb::gil_scoped_release release;
    timings = session.profile(arrays.slices(), signalCheck());
  }
  nb::list layers;
  nb::object layerTime = typeClass("LayerTime");
  for (const auto &[dispatch, nanoseconds] : timings)
    layers.append(layerTime(textOf(dispatch->layer), textOf(artifact.kernels[dispatch->kernel].family), nanoseconds,
                            dispatch->macs));
  return layers;
}

static nb::list tensorList(const anybit_tensor *tensors, uint32_t count) {
  nb::list list;
  nb::object tensorInfo = typeClass("TensorInfo");
  for (uint32_t i = 0; i < count; ++i)
    list.append(tensorInfo(textOf(tensors[i].name), elementName(tensors[i].element_type), shapeOf(tensors[i], 1)));
  return list;
}

static nb::list candidateNames(const Session &session) {
  nb::list names;
  for (uint32_t i = 0; i < session.descriptor().variant_count; ++i)
    names.append(textOf(session.descriptor().variants[i].name));
  return names;
}

static nb::str candidateName(Session &session) {
  return textOf(session.descriptor().variants[session.candidate()].name);
}

static void setCandidate(Session &session, nb::handle chosen) {
  if (PyUnicode_Check(chosen.ptr()))
    return session.setCandidate(nb::cast<std::string>(chosen));
  // What has __index__: NumPy's integers too, but no float.
  Py_ssize_t index = PyIndex_Check(chosen.ptr()) ? PyNumber_AsSsize_t(chosen.ptr(), nullptr) : -1;
  if (!PyIndex_Check(chosen.ptr()))
    raise(PyExc_TypeError,
          "a candidate is chosen by name or index, not by a " + nb::cast<std::string>(nb::inst_name(chosen)));
  if (index < 0 || index >= static_cast<Py_ssize_t>(session.descriptor().variant_count))
    raise(PyExc_IndexError, "candidate " + std::to_string(index) + " does not exist, '" + session.descriptor().model +
                                "' has " + std::to_string(session.descriptor().variant_count));
  session.setCandidate(static_cast<uint32_t>(index));
}

static nb::dict bytesByCandidate(const Session &session, uint64_t anybit_variant::*bytes) {
  nb::dict sizes;
  for (uint32_t i = 0; i < session.descriptor().variant_count; ++i)
    sizes[textOf(session.descriptor().variants[i].name)] = session.descriptor().variants[i].*bytes;
  return sizes;
}

static std::string representation(Session &session) {
  std::string text = "<anybit.Model '" + std::string(session.descriptor().model) + "':";
  for (uint32_t i = 0; i < session.descriptor().variant_count; ++i)
    text += std::string(i ? ", " : " ") + session.descriptor().variants[i].name;
  return text + "; candidate '" + session.descriptor().variants[session.candidate()].name + "'>";
}

static void load(nb::module_ &module) {
  module.def(
      "load",
      [](nb::object path, uint32_t threads) {
        std::string file = pathOf(path);
        nb::gil_scoped_release release;
        return new Session(file, threads);
      },
      nb::arg("path"), nb::kw_only(), nb::arg("threads") = 1,
      nb::sig("def load(path: str | os.PathLike[str], *, threads: int = 1) -> Model"),
      R"(Opens an artifact (`anybit compile --emit so`) and makes it ready to run on `threads` threads.

The artifact is code: open only what you would execute. It starts on its first candidate.

Raises:
    InvalidInput: no such file, no artifact, truncated or altered, or more than 1024 threads.
    Unsupported: made for another runtime version or for instructions that this CPU lacks.
    MemoryError: no memory or threads.)");
}

void bindModel(nb::module_ &module) {
  nb::class_<Session> model(module, "Model",
                            R"(A loaded artifact: one model at several precisions. Made by `anybit.load`.

One call at a time: a second one, from another thread, raises RuntimeError; load the artifact once per thread.
`candidate` may be read and set from any thread at any time.)");
  model.def("__repr__", [](Session &session) { return textOf(representation(session)); });
  model.def_prop_ro(
      "name", [](Session &session) { return textOf(session.descriptor().model); }, nb::sig("def name(self) -> str"),
      "Name of the model.");
  model.def_prop_ro("candidates", candidateNames, nb::sig("def candidates(self) -> list[str]"),
                    "Names of the precisions, in order.");
  model.def_prop_rw("candidate", candidateName, setCandidate, nb::for_getter(nb::sig("def candidate(self) -> str")),
                    nb::for_setter(nb::sig("def candidate(self, chosen: str | int, /) -> None")),
                    R"(Name of the precision of the next call; set it by name or index.

A call in flight keeps its own, for all its rows. Setting raises InvalidInput (a ValueError) for an unknown name and
IndexError for an index that does not exist.)");
  model.def_prop_ro(
      "inputs",
      [](Session &session) { return tensorList(session.descriptor().inputs, session.descriptor().input_count); },
      nb::sig("def inputs(self) -> list[anybit._types.TensorInfo]"), "Name, dtype and shape of every input.");
  model.def_prop_ro(
      "outputs",
      [](Session &session) { return tensorList(session.descriptor().outputs, session.descriptor().output_count); },
      nb::sig("def outputs(self) -> list[anybit._types.TensorInfo]"), "Name, dtype and shape of every output.");
  model.def_prop_ro(
      "weight_bytes", [](Session &session) { return bytesByCandidate(session, &anybit_variant::weight_bytes); },
      nb::sig("def weight_bytes(self) -> dict[str, int]"), "Bytes of constants that each candidate reads.");
  model.def_prop_ro(
      "arena_bytes", [](Session &session) { return bytesByCandidate(session, &anybit_variant::arena_bytes); },
      nb::sig("def arena_bytes(self) -> dict[str, int]"),
      "Bytes of working memory that each candidate needs; a model holds the largest once.");
  model.def("__call__", call,
            nb::sig("def __call__(self, *arrays: numpy.ndarray, **named: numpy.ndarray) "
                    "-> numpy.ndarray | tuple[numpy.ndarray, ...]"),
            R"(Computes the outputs of the current candidate: one fresh array, or a tuple of several.

Arrays are the inputs in order, or by name (`model(**{"input.1": x})`); the positional ones are for the inputs that the
named ones leave. They are read in place: each must have exactly the dtype of its input, its shape, and C order. An
array of k times the rows (first axis) of its input is k runs, all on one candidate; the outputs are concatenated, and
of a scalar output there is a vector. Do not write to the arrays meanwhile. The GIL is released while computing.

Raises:
    TypeError: an input is missing or unknown, is no array, or has another dtype.
    ValueError: another shape, not C-contiguous or misaligned.
    RuntimeError: another call of this model is in flight.)");
  model.def("profile", profile,
            nb::sig("def profile(self, *arrays: numpy.ndarray, **named: numpy.ndarray) "
                    "-> list[anybit._types.LayerTime]"),
            R"(Runs like a call and returns the time of every layer of the current candidate, in order.

Without arrays it runs once on zeros. With k times the rows, the nanoseconds are the sum of the k runs and `macs` those
of one. Raises what a call raises.)");
  model.def("prepare", &Session::prepare, nb::call_guard<nb::gil_scoped_release>(),
            nb::sig("def prepare(self) -> None"),
            R"(Waits until the candidate last set is ready, so that the next call uses it.

Needed for artifacts of the `master` store only, which rebuild weights in the background; otherwise returns at once.)");
  load(module);
}

} // namespace anybit::python
