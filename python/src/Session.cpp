#include "Session.h"

#include <algorithm>

namespace anybit::python {

static void check(anybit_status status) {
  if (status != ANYBIT_OK)
    throw StatusError(status, anybit_last_error());
}

/// The time of one call: refuses a second one, and keeps the candidate for all slices.
class Session::Call {
public:
  Call(Session &owner, int64_t slices) : owner(owner), holds(slices > 1) {
    if (owner.running.exchange(true, std::memory_order_acquire))
      throw BusyError("a call of this model is in flight, load the artifact once per thread");
    if (!holds)
      return;
    std::lock_guard<std::mutex> lock(owner.guard);
    // A rebuild that ends later would change the candidate between two slices.
    anybit_session_prepare(owner.session.get());
    owner.wanted = anybit_session_candidate(owner.session.get());
    owner.held = true;
  }

  ~Call() {
    if (holds)
      release();
    owner.running.store(false, std::memory_order_release);
  }

private:
  void release() {
    std::lock_guard<std::mutex> lock(owner.guard);
    owner.held = false;
    if (owner.wanted != anybit_session_candidate(owner.session.get()))
      anybit_session_set_candidate(owner.session.get(), owner.wanted);
  }

  Session &owner;
  bool holds;
};

Session::Session(const std::string &path, uint32_t threads) {
  anybit_module *opened = nullptr;
  check(anybit_module_open(path.c_str(), &opened));
  module.reset(opened);
  anybit_session_options options = {};
  options.size = sizeof(options);
  options.threads = threads;
  anybit_session *created = nullptr;
  check(anybit_session_create(opened, &options, &created));
  session.reset(created);
}

uint32_t Session::candidate() {
  std::lock_guard<std::mutex> lock(guard);
  return held ? wanted : anybit_session_candidate(session.get());
}

void Session::setCandidate(uint32_t index) {
  std::lock_guard<std::mutex> lock(guard);
  bool exists = index < descriptor().variant_count;
  if (held && exists)
    wanted = index;
  else
    check(anybit_session_set_candidate(session.get(), index));
}

void Session::setCandidate(const std::string &name) {
  const anybit_module_descriptor &artifact = descriptor();
  std::string names;
  for (uint32_t i = 0; i < artifact.variant_count; ++i) {
    if (name == artifact.variants[i].name)
      return setCandidate(i);
    names += (i ? ", " : "") + std::string(artifact.variants[i].name);
  }
  throw StatusError(ANYBIT_INVALID_ARGUMENT,
                    "candidate '" + name + "' does not exist, '" + artifact.model + "' has " + names);
}

void Session::prepare() { check(anybit_session_prepare(session.get())); }

void Session::runSlices(const Slices &slices, const std::function<void(int64_t)> &afterSlice) {
  const anybit_module_descriptor &artifact = descriptor();
  std::vector<const void *> inputs(artifact.input_count);
  std::vector<void *> outputs(artifact.output_count);
  for (int64_t slice = 0; slice < slices.count; ++slice) {
    for (size_t i = 0; i < inputs.size(); ++i)
      inputs[i] = slices.inputs[i] + anybit_tensor_bytes(&artifact.inputs[i]) * slice;
    for (size_t i = 0; i < outputs.size(); ++i)
      outputs[i] = slices.outputs[i] + anybit_tensor_bytes(&artifact.outputs[i]) * slice;
    check(anybit_session_run(session.get(), inputs.data(), outputs.data()));
    afterSlice(slice);
  }
}

void Session::run(const Slices &slices, const std::function<void()> &afterSlice) {
  Call call(*this, slices.count);
  runSlices(slices, [&](int64_t) { afterSlice(); });
}

namespace {

/// Every slice has the same dispatches in the same order, since a call keeps its candidate.
struct Recorder {
  std::vector<Timing> timings;
  size_t next = 0;

  /// Called from C, where nothing may be thrown: the room is reserved before.
  static void record(void *user, const anybit_dispatch *dispatch, uint64_t nanoseconds) {
    auto &recorder = *static_cast<Recorder *>(user);
    if (recorder.next == recorder.timings.size())
      recorder.timings.push_back({dispatch, 0});
    recorder.timings[recorder.next++].nanoseconds += nanoseconds;
  }
};

/// Turns the profile off again, also when a slice throws.
struct Observation {
  Observation(anybit_session *session, Recorder &recorder) : session(session) {
    check(anybit_session_set_profile(session, Recorder::record, &recorder));
  }
  ~Observation() { anybit_session_set_profile(session, nullptr, nullptr); }

  anybit_session *session;
};

} // namespace

std::vector<Timing> Session::profile(const Slices &slices, const std::function<void()> &afterSlice) {
  Call call(*this, slices.count);
  Recorder recorder;
  const anybit_module_descriptor &artifact = descriptor();
  uint32_t most = 0;
  for (uint32_t i = 0; i < artifact.variant_count; ++i)
    most = std::max(most, artifact.variants[i].dispatch_count);
  recorder.timings.reserve(most);
  Observation observation(session.get(), recorder);
  runSlices(slices, [&](int64_t) {
    recorder.next = 0;
    afterSlice();
  });
  return std::move(recorder.timings);
}

} // namespace anybit::python
