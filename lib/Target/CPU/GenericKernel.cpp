//===- GenericKernel.cpp - linalg.generic, copies and halos as loops ------===//
//
// Scalar loops in the order that suits the strides of the first output; LLVM vectorizes the innermost one. Reductions
// run just outside of the innermost dimension, so that a reduction over space has channels in lanes.
//
//===----------------------------------------------------------------------===//

#include "TransposeKernel.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

class GenericKernel {
public:
  GenericKernel(OpBuilder &builder, linalg::GenericOp op, ArrayRef<View> views, ArrayRef<Value> extracted,
                ArrayRef<TypedAttr> inits)
      : op(op), views(views), extracted(extracted), inits(inits), kb(builder, op.getLoc(), views.size()),
        inputs(op.getNumDpsInputs()), outputs(op.getNumDpsInits()), extents(op.getStaticLoopRanges()),
        ivs(extents.size()) {
    iterators = op.getIteratorTypesArray();
    maps = op.getIndexingMapsArray();
  }

  Kernel build();

private:
  bool isParallel(unsigned dim) const { return iterators[dim] == utils::IteratorType::parallel; }
  int64_t outputStride(unsigned dim) const;
  SmallVector<unsigned> loopOrder(bool withReductions) const;
  void nest(ArrayRef<unsigned> order, function_ref<void()> body);
  Value address(unsigned operand);
  Value addressAt(unsigned view, ValueRange coordinates);
  std::optional<unsigned> gridLoop() const;
  void initialize();
  void compute();
  void mapConstants(ValueRange operands, IRMapping &map);
  Value cloneOp(Operation &inner, IRMapping &map);

  linalg::GenericOp op;
  ArrayRef<View> views;
  ArrayRef<Value> extracted;
  ArrayRef<TypedAttr> inits;
  KernelBuilder kb;
  unsigned inputs, outputs;
  SmallVector<int64_t> extents;
  SmallVector<Value> ivs;
  SmallVector<utils::IteratorType> iterators;
  SmallVector<AffineMap> maps;
};

/// Stride of loop `dim` in the first output; 0 for a reduction.
int64_t GenericKernel::outputStride(unsigned dim) const {
  AffineMap map = maps[inputs];
  for (unsigned i = 0; i < map.getNumResults(); ++i)
    if (map.getResult(i) == getAffineDimExpr(dim, map.getContext()))
      return views[inputs].strides[i];
  return 0;
}

SmallVector<unsigned> GenericKernel::loopOrder(bool withReductions) const {
  SmallVector<unsigned> parallel, reduction;
  for (unsigned dim = 0; dim < extents.size(); ++dim)
    (isParallel(dim) ? parallel : reduction).push_back(dim);
  llvm::stable_sort(parallel, [&](unsigned a, unsigned b) { return outputStride(a) > outputStride(b); });
  // Dimensions of one element carry no information about order.
  llvm::stable_sort(parallel, [&](unsigned a, unsigned b) { return (extents[a] == 1) > (extents[b] == 1); });
  if (!withReductions)
    return parallel;
  bool lanesInside = !parallel.empty() && outputStride(parallel.back()) == 1 && extents[parallel.back()] > 1;
  SmallVector<unsigned> order(parallel);
  order.insert(lanesInside ? order.end() - 1 : order.end(), reduction.begin(), reduction.end());
  return order;
}

/// The loops of `order` around `body`.
void GenericKernel::nest(ArrayRef<unsigned> order, function_ref<void()> body) {
  if (order.empty())
    return body();
  unsigned dim = order.front();
  auto inside = [&](Value iv) {
    ivs[dim] = iv;
    nest(order.drop_front(), body);
  };
  kb.loop(extents[dim], inside);
}

Value GenericKernel::addressAt(unsigned view, ValueRange coordinates) {
  Value offset = kb.index(0);
  for (auto [coordinate, stride] : llvm::zip(coordinates, views[view].strides))
    offset = kb.add(offset, kb.mul(coordinate, stride * views[view].elementBytes()));
  return kb.at(kb.argument(view), offset);
}

/// The value of an affine expression of the loop counters.
static Value expand(KernelBuilder &kb, AffineExpr expr, ArrayRef<Value> ivs) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return ivs[dim.getPosition()];
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return kb.index(constant.getValue());
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value lhs = expand(kb, binary.getLHS(), ivs), rhs = expand(kb, binary.getRHS(), ivs);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return kb.add(lhs, rhs);
  case AffineExprKind::Mul:
    return arith::MulIOp::create(kb.b, kb.loc, lhs, rhs);
  case AffineExprKind::Mod:
    return arith::RemSIOp::create(kb.b, kb.loc, lhs, rhs);
  default:
    return arith::DivSIOp::create(kb.b, kb.loc, lhs, rhs); // floordiv of counters, which are not negative
  }
}

Value GenericKernel::address(unsigned operand) {
  SmallVector<Value> coordinates;
  for (AffineExpr expr : maps[operand].getResults())
    coordinates.push_back(expand(kb, expr, ivs));
  return addressAt(operand, coordinates);
}

/// Bools are stored one a byte.
static Type memoryType(KernelBuilder &kb, Type element) { return element.isInteger(1) ? kb.i8 : element; }

static Value loadElement(KernelBuilder &kb, Type element, Value pointer) {
  Value value = kb.load(memoryType(kb, element), pointer);
  return element.isInteger(1) ? Value(arith::TruncIOp::create(kb.b, kb.loc, element, value)) : value;
}

static void storeElement(KernelBuilder &kb, Value value, Value pointer) {
  if (value.getType().isInteger(1))
    value = arith::ExtUIOp::create(kb.b, kb.loc, kb.i8, value);
  kb.store(value, pointer);
}

Value GenericKernel::cloneOp(Operation &inner, IRMapping &map) {
  if (auto index = dyn_cast<linalg::IndexOp>(inner))
    return arith::IndexCastOp::create(kb.b, kb.loc, kb.b.getIndexType(), ivs[index.getDim()]);
  auto extract = dyn_cast<tensor::ExtractOp>(inner);
  if (!extract) {
    if (auto round = dyn_cast<lowbit::RoundOp>(inner))
      return buildRound(kb, map.lookup(round.getValue()), int32_t(round.getLow()), int32_t(round.getHigh()),
                        int32_t(round.getZero()));
    return kb.b.clone(inner, map)->getResult(0);
  }
  unsigned view = inputs + outputs + (llvm::find(extracted, extract.getTensor()) - extracted.begin());
  SmallVector<Value> coordinates;
  for (Value coordinate : extract.getIndices())
    coordinates.push_back(arith::IndexCastOp::create(kb.b, kb.loc, kb.i64, map.lookupOrDefault(coordinate)));
  return loadElement(kb, extract.getType(), addressAt(view, coordinates));
}

void GenericKernel::initialize() {
  for (unsigned i = 0; i < outputs; ++i)
    if (inits[i])
      storeElement(kb, kb.constant(inits[i].getType(), inits[i]), address(inputs + i));
}

/// Values from outside of the body are constants; they are cloned into the kernel.
void GenericKernel::mapConstants(ValueRange operands, IRMapping &map) {
  for (Value operand : operands) {
    auto outer = operand.getDefiningOp<arith::ConstantOp>();
    if (outer && outer->getBlock() != op.getBody() && !isa<TensorType>(operand.getType()) && !map.contains(operand))
      map.map(operand, kb.b.clone(*outer)->getResult(0));
  }
}

void GenericKernel::compute() {
  Block &body = *op.getBody();
  IRMapping map;
  for (unsigned i = 0; i < inputs + outputs; ++i)
    if (!body.getArgument(i).use_empty())
      map.map(body.getArgument(i), loadElement(kb, body.getArgument(i).getType(), address(i)));
  for (Operation &inner : body.without_terminator()) {
    mapConstants(inner.getOperands(), map);
    map.map(inner.getResult(0), cloneOp(inner, map));
  }
  mapConstants(body.getTerminator()->getOperands(), map);
  for (auto [i, value] : llvm::enumerate(body.getTerminator()->getOperands()))
    storeElement(kb, map.lookup(value), address(inputs + i));
}

/// The loop that threads share: the outermost parallel one, unless it is the one with the lanes and a reduction belongs
/// around it.
std::optional<unsigned> GenericKernel::gridLoop() const {
  SmallVector<unsigned> parallel = loopOrder(/*withReductions=*/false), all = loopOrder(/*withReductions=*/true);
  auto first = llvm::find_if(parallel, [&](unsigned dim) { return extents[dim] > 1; });
  if (first == parallel.end() || (parallel.size() < all.size() && all.back() == *first))
    return std::nullopt;
  return *first;
}

Kernel GenericKernel::build() {
  std::optional<unsigned> grid = gridLoop();
  auto inside = [&](SmallVector<unsigned> dims) {
    llvm::erase_if(dims, [&](unsigned dim) { return grid == dim; });
    return dims;
  };
  auto part = [&] {
    if (llvm::any_of(inits, [](TypedAttr init) { return bool(init); }))
      nest(inside(loopOrder(/*withReductions=*/false)), [&] { initialize(); });
    nest(inside(loopOrder(/*withReductions=*/true)), [&] { compute(); });
  };
  if (!grid)
    part();
  else
    kb.loop(kb.begin(), kb.end(), [&](Value iv) {
      ivs[*grid] = iv;
      part();
    });
  return {kb.finish(), grid ? extents[*grid] : 1, "loops"};
}

} // namespace

/// Whether the op maps one tensor to one of its shape, element by element and without looking at the position.
static bool isElementwise(linalg::GenericOp op) {
  if (op.getNumDpsInputs() != 1 || op.getNumDpsInits() != 1 || op.getNumReductionLoops() != 0 ||
      !llvm::all_of(op.getIndexingMapsArray(), [](AffineMap map) { return map.isIdentity(); }))
    return false;
  Block &body = *op.getBody();
  bool yieldsOp = body.getTerminator()->getOperand(0).getParentBlock() == &body;
  return yieldsOp && body.getArgument(1).use_empty() && llvm::all_of(body.without_terminator(), [](Operation &inner) {
    return !isa<linalg::IndexOp, tensor::ExtractOp>(inner) && inner.getNumResults() == 1;
  });
}

Kernel buildGenericKernel(OpBuilder &builder, linalg::GenericOp op, ArrayRef<View> views, ArrayRef<Value> extracted,
                          ArrayRef<TypedAttr> inits, const CpuTarget &target) {
  if (isElementwise(op)) {
    auto compute = [&](KernelBuilder &kb, Value lanes, int64_t count) {
      // The second argument, what the output was before, is not read.
      return expandBody(kb, *op.getBody(), {lanes, lanes}, count).front();
    };
    if (auto kernel = buildTransposeKernel(builder, op.getLoc(), views[0], views[1], target, compute))
      return *kernel;
  }
  return GenericKernel(builder, op, views, extracted, inits).build();
}

/// Dimensions of `view`, the largest stride first.
static SmallVector<unsigned> byStride(const View &view) {
  SmallVector<unsigned> dims;
  for (unsigned dim = 0; dim < view.shape.size(); ++dim)
    if (view.shape[dim] != 1)
      dims.push_back(dim);
  llvm::stable_sort(dims, [&](unsigned a, unsigned b) { return view.strides[a] > view.strides[b]; });
  return dims;
}

Kernel buildCopyKernel(OpBuilder &builder, const View &input, const View &output, const CpuTarget &target) {
  auto same = [](KernelBuilder &, Value lanes, int64_t) { return lanes; };
  if (auto kernel = buildTransposeKernel(builder, builder.getUnknownLoc(), input, output, target, same))
    return *kernel;
  KernelBuilder kb(builder, builder.getUnknownLoc(), 2);
  SmallVector<unsigned> dims = byStride(output);
  int64_t bytes = output.elementBytes();
  std::function<void(unsigned, Value, Value)> nest = [&](unsigned depth, Value from, Value to) {
    if (depth == dims.size())
      return kb.store(kb.load(memoryType(kb, input.element), kb.at(kb.argument(0), from)), kb.at(kb.argument(1), to));
    unsigned dim = dims[depth];
    auto body = [&](Value iv) {
      nest(depth + 1, kb.add(from, kb.mul(iv, input.strides[dim] * bytes)),
           kb.add(to, kb.mul(iv, output.strides[dim] * bytes)));
    };
    if (depth == 0)
      kb.loop(kb.begin(), kb.end(), body);
    else
      kb.loop(output.shape[dim], body);
  };
  nest(0, kb.index(0), kb.index(0));
  return {kb.finish(), dims.empty() ? 1 : output.shape[dims[0]], "copy"};
}

Kernel buildFillKernel(OpBuilder &builder, const View &output, TypedAttr value) {
  KernelBuilder kb(builder, builder.getUnknownLoc(), 1);
  SmallVector<unsigned> dims = byStride(output);
  Value fill = kb.constant(value.getType(), value);
  std::function<void(unsigned, Value)> nest = [&](unsigned depth, Value to) {
    if (depth == dims.size())
      return kb.store(fill, kb.at(kb.argument(0), to));
    auto body = [&](Value iv) {
      nest(depth + 1, kb.add(to, kb.mul(iv, output.strides[dims[depth]] * output.elementBytes())));
    };
    if (depth == 0)
      kb.loop(kb.begin(), kb.end(), body);
    else
      kb.loop(output.shape[dims[depth]], body);
  };
  nest(0, kb.index(0));
  return {kb.finish(), dims.empty() ? 1 : output.shape[dims[0]], "fill"};
}

Kernel buildHaloKernel(OpBuilder &builder, const View &output, const Halo &halo, TypedAttr value) {
  KernelBuilder kb(builder, builder.getUnknownLoc(), 1);
  bool flat = output.shape.size() == 3;
  int64_t bytes = output.elementBytes(), height = flat ? 1 : output.shape[2], width = output.shape.back();
  int64_t rowStride = flat ? 0 : output.strides[2] * bytes, pixel = output.strides.back() * bytes;
  int64_t channels = output.shape[1];
  Value fill = kb.constant(value.getType(), value);
  // One rectangle: `rows` x `columns` positions from (top, left), all channels.
  auto rectangle = [&](Value image, int64_t top, int64_t rows, int64_t left, int64_t columns) {
    if (rows <= 0 || columns <= 0)
      return;
    Value start = kb.add(image, top * rowStride + left * pixel);
    kb.loop(rows, [&](Value y) {
      Value row = kb.add(start, kb.mul(y, rowStride));
      kb.loop(columns, [&](Value x) {
        Value position = kb.at(kb.argument(0), kb.add(row, kb.mul(x, pixel)));
        kb.loop(channels, [&](Value c) { kb.store(fill, kb.at(position, kb.mul(c, bytes))); });
      });
    });
  };
  kb.loop(kb.begin(), kb.end(), [&](Value n) {
    Value image = kb.mul(n, output.strides[0] * bytes);
    rectangle(image, -halo.top, halo.top, -halo.left, halo.left + width + halo.right);
    rectangle(image, height, halo.bottom, -halo.left, halo.left + width + halo.right);
    rectangle(image, 0, height, -halo.left, halo.left);
    rectangle(image, 0, height, width, halo.right);
  });
  return {kb.finish(), output.shape[0], "halo"};
}

} // namespace anybit::cpu
