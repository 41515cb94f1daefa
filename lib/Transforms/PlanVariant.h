//===- PlanVariant.h - one candidate as dispatches --------------*- C++ -*-===//
#ifndef ANYBIT_LIB_TRANSFORMS_PLANVARIANT_H
#define ANYBIT_LIB_TRANSFORMS_PLANVARIANT_H

#include "Master.h"
#include "PlanPools.h"
#include "anybit/Transforms/Passes.h"

namespace anybit {

/// Turns the function of a candidate into dispatches.
class VariantPlanner {
public:
  VariantPlanner(mlir::func::FuncOp function, const CpuTarget &target, bool allowsHalide, KernelPool &kernels,
                 ConstantPool &constants)
      : function(function), target(target), allowsHalide(allowsHalide), kernels(kernels), constants(constants) {}

  /// Emits a `plan.variant` before the function.
  mlir::LogicalResult run();

private:
  struct Dispatch {
    mlir::FlatSymbolRefAttr kernel;
    std::string layer;
    mlir::StringAttr choice; ///< Why this kernel; may be null.
    int64_t grid = 1, macs = 0;
    std::optional<int64_t> claim;                              ///< None: one thread does all of the grid.
    llvm::SmallVector<std::pair<unsigned, int64_t>> arguments; ///< Buffer and byte offset.
  };
  /// A tensor that is part of a larger one which its consumer builds.
  struct Part {
    mlir::Operation *whole;
    llvm::SmallVector<int64_t> offsets;
  };

  // Analysis before the walk.
  void findHalos();
  void findPitches();
  void findParts();
  void findOutputs();

  // Places.
  unsigned addBuffer(Buffer buffer);
  Place allocate(mlir::RankedTensorType type, const cpu::Halo &halo, int64_t pitch = 0);
  Place placeOf(mlir::Value value);
  Place placeOfResult(mlir::Value value);
  bool isForOutput(mlir::Value value) const;
  Place constantPlace(mlir::Value value);
  Place partPlace(mlir::Value value, const Part &part);
  void fillHalo(mlir::Value value, const Place &place);
  /// `place` itself, or a copy of it: channels-last with the halo and the pitch that a convolution needs.
  Place asWindowInput(mlir::Value value, const cpu::Halo &halo, mlir::TypedAttr fill, bool adjacentPixels,
                      mlir::Location loc);

  /// Weights and initial accumulators in the slot of the master store.
  std::pair<Place, Place> slotPlaces(lowbit::ConvOp op, const Master &master);

  // Dispatches.
  void addDispatch(const cpu::Kernel &kernel, mlir::Location loc, llvm::ArrayRef<const Place *> places);
  Dispatch &addDispatch(const cpu::Kernel &kernel, mlir::Location loc, llvm::ArrayRef<const Place *> places,
                        double nanoseconds);
  void copy(const Place &from, const Place &to, mlir::Location loc);
  mlir::LogicalResult plan(mlir::Operation &op);
  mlir::LogicalResult planConv(lowbit::ConvOp op);
  mlir::LogicalResult planGeneric(mlir::linalg::GenericOp op);
  bool planResize(mlir::linalg::GenericOp columns);
  mlir::LogicalResult planPool(msq::PoolOp op);
  mlir::LogicalResult planConcat(mlir::tensor::ConcatOp op);
  mlir::LogicalResult planPad(mlir::tensor::PadOp op);
  mlir::LogicalResult planView(mlir::Operation &op);
  mlir::LogicalResult planReturn(mlir::func::ReturnOp op);
  void emit();

  mlir::func::FuncOp function;
  const CpuTarget &target;
  bool allowsHalide;
  llvm::DenseSet<mlir::Operation *> planned; ///< Together with an op before them.
  KernelPool &kernels;
  ConstantPool &constants;
  std::vector<Buffer> buffers;
  std::vector<Dispatch> dispatches;
  struct Rebuild {
    mlir::FlatSymbolRefAttr master, scales;
    lowbit::ConvOp op;
    std::vector<float> alpha;
    int64_t weightOffset, initialOffset;
  };
  std::vector<Rebuild> rebuilds;
  int64_t slotBytes = 0;
  llvm::DenseMap<mlir::Value, Place> places;
  llvm::DenseMap<mlir::Value, cpu::Halo> halos;
  llvm::DenseMap<mlir::Value, mlir::TypedAttr> fills;
  llvm::DenseMap<mlir::Value, int64_t> pitches; ///< Elements from a position to the next, where not all channels.
  llvm::DenseMap<mlir::Value, Part> parts;
  llvm::DenseMap<mlir::Value, unsigned> outputs;
};

/// What the windows of a convolution reach outside of its input.
cpu::Halo haloOf(lowbit::ConvOp op);

} // namespace anybit

#endif // ANYBIT_LIB_TRANSFORMS_PLANVARIANT_H
