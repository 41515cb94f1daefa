//===- Session.h - an artifact and its one session --------------*- C++ -*-===//
//
// The C runtime as a class; nothing of Python. A *call* is one or more runs ("slices") that belong together.
//
//===----------------------------------------------------------------------===//
#ifndef ANYBIT_PYTHON_SESSION_H
#define ANYBIT_PYTHON_SESSION_H

#include "anybit/runtime.h"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace anybit::python {

/// A failure of the runtime: what() is its sentence.
class StatusError : public std::runtime_error {
public:
  StatusError(anybit_status status, const std::string &sentence) : std::runtime_error(sentence), status(status) {}
  anybit_status status;
};

/// A second call while one is in flight.
class BusyError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// The tensors of one call. A pointer per input and output, to `count` times the bytes of the descriptor's tensor.
struct Slices {
  std::vector<const uint8_t *> inputs;
  std::vector<uint8_t *> outputs;
  int64_t count = 1;
};

/// One dispatch of a profiled call; the nanoseconds are the sum over its slices.
struct Timing {
  const anybit_dispatch *dispatch;
  uint64_t nanoseconds;
};

class Session {
public:
  /// Throws StatusError.
  Session(const std::string &path, uint32_t threads);

  const anybit_module_descriptor &descriptor() const { return *anybit_module_descriptor_of(module.get()); }

  /// The candidate that a call started now would use. Any thread.
  uint32_t candidate();

  /// The candidate of the following calls; a call in flight keeps its own (numerics N8), all its slices included.
  /// Any thread. Throws StatusError.
  void setCandidate(uint32_t index);
  void setCandidate(const std::string &name);

  /// Waits until the candidate last set is ready to run (master store). Any thread.
  void prepare();

  /// Runs all slices on one candidate, with `afterSlice` behind each; it may throw. Throws StatusError and BusyError.
  void run(const Slices &slices, const std::function<void()> &afterSlice);

  /// As `run`, with the time of every dispatch in order.
  std::vector<Timing> profile(const Slices &slices, const std::function<void()> &afterSlice);

private:
  class Call;
  struct CloseModule {
    void operator()(anybit_module *module) const { anybit_module_close(module); }
  };
  struct DestroySession {
    void operator()(anybit_session *session) const { anybit_session_destroy(session); }
  };

  void runSlices(const Slices &slices, const std::function<void(int64_t)> &afterSlice);

  std::unique_ptr<anybit_module, CloseModule> module;
  std::unique_ptr<anybit_session, DestroySession> session;
  std::atomic<bool> running{false};
  std::mutex guard;    // of the two below and of changes of the session's candidate
  bool held = false;   // a call of several slices is in flight
  uint32_t wanted = 0; // while held: the candidate of the next call
};

} // namespace anybit::python

#endif // ANYBIT_PYTHON_SESSION_H
