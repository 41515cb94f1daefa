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
constexpr int64_t codeInt = 0, codeFloat = 2; ///< halide_type_code_t
} // namespace layout

/// A buffer on the stack, without device and flags; dimensions begin at 0.
class Buffer {
public:
  Buffer(KernelBuilder &kb, Type element, ArrayRef<std::pair<int64_t, int64_t>> extentsAndStrides);

  void setHost(Value host) { set(layout::host, host); }

  Value pointer;

protected:
  void set(int64_t offset, Value value) {
    LLVM::StoreOp::create(kb.b, kb.loc, value, kb.at(pointer, offset), value.getType() == kb.i32 ? 4 : 8);
  }
  void set32(int64_t offset, int64_t value) { set(offset, kb.integer(kb.i32, value)); }
  static int64_t dimensionAt(int64_t dim) { return layout::bufferBytes + dim * layout::dimensionBytes; }

  KernelBuilder &kb;
};

Buffer::Buffer(KernelBuilder &kb, Type element, ArrayRef<std::pair<int64_t, int64_t>> extentsAndStrides) : kb(kb) {
  int64_t words = dimensionAt(extentsAndStrides.size()) / 8;
  pointer = LLVM::AllocaOp::create(kb.b, kb.loc, kb.pointer, kb.i64, kb.index(words), /*alignment=*/16);
  for (int64_t word = 0; word < words; ++word)
    set(8 * word, kb.index(0));
  int64_t code = isa<FloatType>(element) ? layout::codeFloat : layout::codeInt;
  set32(layout::type, code | element.getIntOrFloatBitWidth() << 8 | 1 << 16); // one lane
  set32(layout::dimensions, extentsAndStrides.size());
  set(layout::dim, kb.at(pointer, layout::bufferBytes));
  for (auto [dim, values] : llvm::enumerate(extentsAndStrides)) {
    set32(dimensionAt(dim) + layout::extent, values.first);
    set32(dimensionAt(dim) + layout::stride, values.second);
  }
}

/// A channels-last image, or rows of one: channel, x, y.
class ImageBuffer : public Buffer {
public:
  ImageBuffer(KernelBuilder &kb, const View &view)
      : Buffer(kb, view.element,
               {{view.shape[1], 1}, {view.shape[3], view.strides[3]}, {view.shape[2], view.strides[2]}}),
        strides(view) {}

  /// What the buffer describes from now on: rows [first, end) of image `image` behind `base`.
  void setRows(Value base, Value image, Value first, Value end) {
    auto narrow = [&](Value value) { return arith::TruncIOp::create(kb.b, kb.loc, kb.i32, value); };
    setHost(kb.at(base, kb.add(kb.mul(image, strides.batch), kb.mul(first, strides.row))));
    set(dimensionAt(2) + layout::min, narrow(first));
    set(dimensionAt(2) + layout::extent, narrow(arith::SubIOp::create(kb.b, kb.loc, end, first)));
  }

private:
  PixelStrides strides;
};

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

/// The rows [begin, end) of the results of all images; `body` calls for the rows of `from` and `to` that one of them
/// has.
void forImages(KernelBuilder &kb, const View &input, const View &output, Value source, Value target,
               function_ref<void(Value from, Value to)> body) {
  ImageBuffer from(kb, input), to(kb, output);
  int64_t rows = output.shape[2];
  Value height = kb.index(rows), zero = kb.index(0);
  Value lastImage = kb.divide(kb.add(kb.end(), rows - 1), rows);
  kb.loop(kb.divide(kb.begin(), rows), lastImage, [&](Value image) {
    Value origin = kb.mul(image, rows);
    Value first = kb.max(arith::SubIOp::create(kb.b, kb.loc, kb.begin(), origin), zero);
    Value end = kb.min(arith::SubIOp::create(kb.b, kb.loc, kb.end(), origin), height);
    from.setRows(source, image, zero, kb.index(input.shape[2]));
    to.setRows(target, image, first, end);
    body(from.pointer, to.pointer);
  });
}

Kernel finish(KernelBuilder &kb, const View &output, const Stencil &stencil) {
  return {kb.finish(), output.shape[0] * output.shape[2], "halide", /*scratchBytes=*/0, stencil.reason};
}

} // namespace

std::optional<Kernel> buildHalidePoolKernel(OpBuilder &builder, msq::PoolOp op, const View &input, const View &output,
                                            const CpuTarget &target) {
  Stencil stencil = chooseStencil(op, input, output, target);
  if (!stencil.object)
    return std::nullopt;
  KernelBuilder kb(builder, op.getLoc(), 2);
  Value left = kb.integer(kb.i32, op.getPads()[1]), top = kb.integer(kb.i32, op.getPads()[0]);
  forImages(kb, input, output, kb.argument(0), kb.argument(1),
            [&](Value from, Value to) { call(kb, stencil.object->name, {from, left, top, to}); });
  return finish(kb, output, stencil);
}

bool isHalideResize(const View &input, const View &output, const CpuTarget &target) {
  return chooseLinearResize(input, output, target).object;
}

Kernel buildHalideResizeKernel(OpBuilder &builder, Location loc, ArrayRef<View> views, const CpuTarget &target) {
  const View &input = views.front(), &output = views.back();
  Stencil stencil = chooseLinearResize(input, output, target);
  assert(stencil.object && "the caller asks isHalideResize");
  KernelBuilder kb(builder, loc, views.size());
  SmallVector<Value> arguments(1);
  for (unsigned i = 1; i + 1 < views.size(); ++i) {
    Buffer table(kb, views[i].element, {{views[i].shape[0], 1}});
    table.setHost(kb.argument(i));
    arguments.push_back(table.pointer);
  }
  arguments.push_back({});
  forImages(kb, input, output, kb.argument(0), kb.argument(views.size() - 1), [&](Value from, Value to) {
    arguments.front() = from;
    arguments.back() = to;
    call(kb, stencil.object->name, arguments);
  });
  return finish(kb, output, stencil);
}

} // namespace anybit::cpu
