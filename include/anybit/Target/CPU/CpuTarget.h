//===- CpuTarget.h - what a CPU offers to kernels ---------------*- C++ -*-===//
#ifndef ANYBIT_TARGET_CPU_CPUTARGET_H
#define ANYBIT_TARGET_CPU_CPUTARGET_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>
#include <vector>

namespace llvm {
class TargetMachine;
} // namespace llvm

namespace anybit {

/// How four byte products are summed into an int32 lane.
enum class DotForm {
  Portable, ///< int32 multiplies; any target.
  Madd,     ///< Exact int16 pairs (VPMADDWD), numerics N4; AVX2 and AVX-512BW.
  Vnni,     ///< VPDPBUSD; AVX-512 VNNI and AVX-VNNI.
};

/// A target of code generation, resolved from `--target`.
struct CpuTarget {
  std::string name; ///< The text that it was resolved from.
  std::string triple;
  std::string cpu;
  std::string features; ///< LLVM's "+a,-b" on top of the CPU's own.
  /// Features that an artifact needs from the CPU it runs on, in LLVM's spelling.
  std::vector<std::string> required;
  DotForm dot = DotForm::Portable;
  unsigned vectorBits = 128;
  unsigned vectorRegisters = 16;
  bool fma = false;
  /// Throughput, per cycle, of byte products and of pairs of bits that are counted: the choice between families. From
  /// measurements where docs/kernels.md has them, else from the instructions' ports.
  double productRate = 4, countRate = 20;
  double tileRate = 0; ///< The same of a full tile of byte products (AMX); 0: the target has none.
  bool countsWords = false; ///< Ones of int32 lanes in one instruction (VPOPCNTD).
  bool shufflesBytes = false; ///< Looks bytes up in a register (PSHUFB) at `vectorBits`.
  bool permutesBytes = false; ///< Looks them up in all of 512 bits (VPERMB), and has VPDPBUSD.
  bool slicesBits = false;    ///< Products of bit matrices (GFNI) at `vectorBits`.
  bool wordPairs = false; ///< Has PMADDWD at `vectorBits`.

  unsigned lanes32() const { return vectorBits / 32; }
};

/// Resolves `native`, `x86-64[-v3|-v4]` or a name of LLVM, each with `,+feature` or `,-feature` behind it. An unknown CPU or feature is an error with a
/// sentence that lists what is known.
llvm::Expected<CpuTarget> parseCpuTarget(llvm::StringRef text);

/// LLVM's view of the target at optimization level 0..3.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>> createTargetMachine(const CpuTarget &target, unsigned level);

} // namespace anybit

#endif // ANYBIT_TARGET_CPU_CPUTARGET_H
