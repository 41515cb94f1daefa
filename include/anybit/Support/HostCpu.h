//===- HostCpu.h - the CPU that this process runs on ------------*- C++ -*-===//
#ifndef ANYBIT_SUPPORT_HOSTCPU_H
#define ANYBIT_SUPPORT_HOSTCPU_H

#include <string>

namespace anybit {

/// The marketing name of the CPU, or LLVM's name where the system does not tell.
std::string hostCpuName();

/// The features of the CPU in LLVM's spelling, sorted, separated by commas.
std::string hostCpuFeatures();

} // namespace anybit

#endif // ANYBIT_SUPPORT_HOSTCPU_H
