#include "anybit/Support/HostCpu.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/TargetParser/Host.h"

using namespace llvm;

namespace anybit {

std::string hostCpuName() {
  ErrorOr<std::unique_ptr<MemoryBuffer>> info = MemoryBuffer::getFileAsStream("/proc/cpuinfo");
  if (!info)
    return sys::getHostCPUName().str();
  StringRef text = (*info)->getBuffer();
  size_t at = text.find("model name");
  if (at == StringRef::npos)
    return sys::getHostCPUName().str();
  return text.substr(at).split('\n').first.split(':').second.trim().str();
}

std::string hostCpuFeatures() {
  std::vector<std::string> names;
  for (const auto &feature : sys::getHostCPUFeatures())
    if (feature.second)
      names.push_back(feature.first().str());
  llvm::sort(names);
  return join(names, ",");
}

} // namespace anybit
