//===- OrtExecutor.cpp ----------------------------------------------------===//
#include "OrtExecutor.h"

#include "onnx-ml.pb.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace llvm;

extern char **environ;

namespace anybit::quantize {

namespace {

/// A process that reads requests from its standard input and answers on its standard output.
class Helper {
public:
  ~Helper() {
    close(toChild);
    close(fromChild);
    waitpid(process, nullptr, 0);
  }

  Error start(const std::string &python, const std::string &script) {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
      return createStringError("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::string program = python, argument = script;
    char *arguments[] = {program.data(), argument.data(), nullptr};
    int status = posix_spawnp(&process, program.c_str(), &actions, nullptr, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    toChild = in[1];
    fromChild = out[0];
    return status == 0 ? Error::success() : createStringError("cannot start " + python);
  }

  void send(const void *data, size_t size) {
    for (const char *next = static_cast<const char *>(data); size > 0 && alive;) {
      ssize_t count = ::write(toChild, next, size);
      alive = count > 0;
      next += count;
      size -= size_t(count);
    }
  }

  void receive(void *data, size_t size) {
    for (char *next = static_cast<char *>(data); size > 0 && alive;) {
      ssize_t count = ::read(fromChild, next, size);
      alive = count > 0;
      next += count;
      size -= size_t(count);
    }
  }

  void sendNumber(int64_t number) { send(&number, sizeof(number)); }

  int64_t receiveNumber() {
    int64_t number = -1;
    receive(&number, sizeof(number));
    return alive ? number : -1;
  }

  /// Reads the status of a reply: 0, or the length of an error text.
  Error status() {
    int64_t length = receiveNumber();
    if (length == 0)
      return Error::success();
    if (length < 0)
      return createStringError("the helper process died");
    std::string text(size_t(length), ' ');
    receive(text.data(), text.size());
    return createStringError(text);
  }

private:
  pid_t process = 0;
  int toChild = -1, fromChild = -1;
  bool alive = true;
};

class OrtProgram : public Program {
public:
  OrtProgram(std::shared_ptr<Helper> helper, int64_t number) : helper(std::move(helper)), number(number) {}

  Expected<std::vector<Batch>> run(size_t samples, ArrayRef<const Batch *> inputs) override {
    helper->sendNumber('R');
    helper->sendNumber(number);
    helper->sendNumber(int64_t(samples));
    helper->sendNumber(int64_t(inputs.size()));
    for (const Batch *input : inputs) {
      helper->sendNumber(int64_t(input->rows));
      helper->sendNumber(int64_t(input->dims.size()));
      helper->send(input->dims.data(), input->dims.size() * sizeof(int64_t));
      helper->send(input->values.data(), input->values.size() * sizeof(float));
    }
    if (Error error = helper->status())
      return std::move(error);
    std::vector<Batch> outputs(size_t(helper->receiveNumber()));
    for (Batch &output : outputs) {
      output.rows = samples;
      output.dims.resize(size_t(helper->receiveNumber()));
      helper->receive(output.dims.data(), output.dims.size() * sizeof(int64_t));
      size_t count = samples;
      for (int64_t dim : output.dims)
        count *= size_t(dim);
      output.values.resize(count);
      helper->receive(output.values.data(), count * sizeof(float));
    }
    return outputs;
  }

private:
  std::shared_ptr<Helper> helper;
  int64_t number;
};

class OrtExecutor : public Executor {
public:
  explicit OrtExecutor(std::shared_ptr<Helper> helper) : helper(std::move(helper)) {}

  Expected<std::unique_ptr<Program>> load(const ::onnx::ModelProto &model) override {
    std::string bytes = model.SerializeAsString();
    helper->sendNumber('L');
    helper->sendNumber(int64_t(bytes.size()));
    helper->send(bytes.data(), bytes.size());
    if (Error error = helper->status())
      return std::move(error);
    return std::make_unique<OrtProgram>(helper, helper->receiveNumber());
  }

private:
  std::shared_ptr<Helper> helper;
};

} // namespace

Expected<std::unique_ptr<Executor>> startOrtExecutor(StringRef python, StringRef script) {
  auto helper = std::make_shared<Helper>();
  if (Error error = helper->start(python.str(), script.str()))
    return std::move(error);
  if (Error error = helper->status())
    return std::move(error);
  return std::make_unique<OrtExecutor>(helper);
}

} // namespace anybit::quantize
