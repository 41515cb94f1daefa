//===- HalideKernel.cpp - kernels that call an object of Halide -----------===//
//
// A kernel that describes its part of the grid as `halide_buffer_t`s on the stack and calls the function of an object
// (lib/Halide), image by image.
//
//===----------------------------------------------------------------------===//

#include "ConvGeometry.h"
#include "StencilChoice.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

/// halide_buffer_t and halide_dimension_t of HalideRuntime.h, which the objects read without any check.
namespace layout {
constexpr int64_t host = 16, type = 32, dimensions = 36, dim = 40, bufferBytes = 56;
constexpr int64_t min = 0, extent = 4, stride = 8, dimensionBytes = 16;
constexpr int64_t codeUInt = 1, codeFloat = 2; ///< halide_type_code_t
} // namespace layout

/// A channels-last image, or rows of one, as a buffer of three dimensions: channel, x, y.
class ImageBuffer {
public:
  ImageBuffer(KernelBuilder &kb, const View &view);

  /// What the buffer describes from now on: rows [first, end) of the image at `image`.
  void setRows(Value image, Value first, Value end);

  Value pointer;

private:
  static constexpr int64_t rank = 3, rowAt = layout::bufferBytes + 2 * layout::dimensionBytes;
  void set(int64_t offset, Value value) {
    LLVM::StoreOp::create(kb.b, kb.loc, value, kb.at(pointer, offset), value.getType() == kb.i32 ? 4 : 8);
  }
  void set32(int64_t offset, int64_t value) { set(offset, kb.integer(kb.i32, value)); }

  KernelBuilder &kb;
  int64_t rowBytes;
};

ImageBuffer::ImageBuffer(KernelBuilder &kb, const View &view) : kb(kb), rowBytes(PixelStrides(view).row) {
  constexpr int64_t words = (layout::bufferBytes + rank * layout::dimensionBytes) / 8;
  pointer = LLVM::AllocaOp::create(kb.b, kb.loc, kb.pointer, kb.i64, kb.index(words), /*alignment=*/16);
  for (int64_t word = 0; word < words; ++word) // no device, no flags
    set(8 * word, kb.index(0));
  bool isReal = isa<FloatType>(view.element);
  int64_t code = isReal ? layout::codeFloat : layout::codeUInt, bits = 8 * view.elementBytes();
  set32(layout::type, code | bits << 8 | 1 << 16); // one lane
  set32(layout::dimensions, rank);
  set(layout::dim, kb.at(pointer, layout::bufferBytes));
  constexpr unsigned order[rank] = {1, 3, 2};
  for (auto [i, dim] : llvm::enumerate(order)) {
    int64_t at = layout::bufferBytes + i * layout::dimensionBytes;
    set32(at + layout::extent, view.shape[dim]);
    set32(at + layout::stride, view.strides[dim]);
  }
}

void ImageBuffer::setRows(Value image, Value first, Value end) {
  auto narrow = [&](Value value) { return arith::TruncIOp::create(kb.b, kb.loc, kb.i32, value); };
  set(layout::host, kb.at(image, kb.mul(first, rowBytes)));
  set(rowAt + layout::min, narrow(first));
  set(rowAt + layout::extent, narrow(arith::SubIOp::create(kb.b, kb.loc, end, first)));
}

/// int function(arguments…), declared once a module.
void call(KernelBuilder &kb, StringRef function, ValueRange arguments) {
  auto module = kb.function->getParentOfType<ModuleOp>();
  if (!module.lookupSymbol(function)) {
    OpBuilder::InsertionGuard guard(kb.b);
    kb.b.setInsertionPointToStart(module.getBody());
    auto type = LLVM::LLVMFunctionType::get(kb.i32, llvm::to_vector(arguments.getTypes()));
    LLVM::LLVMFuncOp::create(kb.b, module.getLoc(), function, type);
  }
  LLVM::CallOp::create(kb.b, kb.loc, TypeRange{kb.i32}, function, arguments); // always 0: nothing is checked
}

} // namespace

std::optional<Kernel> buildHalidePoolKernel(OpBuilder &builder, msq::PoolOp op, const View &input, const View &output,
                                            const CpuTarget &target) {
  Stencil stencil = chooseStencil(op, input, output, target);
  if (!stencil.object)
    return std::nullopt;
  KernelBuilder kb(builder, op.getLoc(), 2);
  ImageBuffer from(kb, input), to(kb, output);
  Value height = kb.index(output.shape[2]), zero = kb.index(0);
  Value left = kb.integer(kb.i32, op.getPads()[1]), top = kb.integer(kb.i32, op.getPads()[0]);
  Value firstImage = kb.divide(kb.begin(), output.shape[2]);
  Value lastImage = kb.divide(kb.add(kb.end(), output.shape[2] - 1), output.shape[2]);
  kb.loop(firstImage, lastImage, [&](Value image) {
    // Of the rows [begin, end) those of this image.
    Value origin = kb.mul(image, output.shape[2]);
    Value first = kb.max(arith::SubIOp::create(kb.b, kb.loc, kb.begin(), origin), zero);
    Value end = kb.min(arith::SubIOp::create(kb.b, kb.loc, kb.end(), origin), height);
    from.setRows(kb.at(kb.argument(0), kb.mul(image, PixelStrides(input).batch)), zero, kb.index(input.shape[2]));
    to.setRows(kb.at(kb.argument(1), kb.mul(image, PixelStrides(output).batch)), first, end);
    call(kb, stencil.object->name, {from.pointer, left, top, to.pointer});
  });
  return Kernel{kb.finish(), output.shape[0] * output.shape[2], "halide", /*scratchBytes=*/0, stencil.reason};
}

} // namespace anybit::cpu
