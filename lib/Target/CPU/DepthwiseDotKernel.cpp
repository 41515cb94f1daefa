//===- DepthwiseDotKernel.cpp - depthwise dot products --------------------===//
//
// Four taps of every channel of a block are interleaved into dwords (docs/kernels.md): one column of four input rows
// becomes four registers, which serve every kernel column and up to two output rows. A dot product then adds four taps
// of as many channels as the register has dwords. The order of channels in registers is that of DepthwiseLayout;
// packing the codes of the four registers back to bytes undoes it.
//
//===----------------------------------------------------------------------===//

#include "CodePacking.h"
#include "DepthwiseKernel.h"
#include "DotProduct.h"
#include "anybit/Target/CPU/DepthwiseLayout.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

constexpr int64_t registers = DepthwiseLayout::registers;

class DotKernel : DepthwiseKernel {
public:
  DotKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target);
  Kernel build();

private:
  using Registers = SmallVector<Value, registers>;
  /// Sums of the outputs of a tile, [along][outputs of the layout].
  using Sums = SmallVector<SmallVector<Registers, 2>, 4>;
  /// The channels that are computed now.
  struct Channels {
    Value first, element, weights;
    int64_t width, valid;
  };

  void chooseTile();
  void dispatch(Value index, Position first, size_t block);
  void row(Channels c, Position first);
  void carriedRow(Channels c, Position first);
  void tile(Channels c, Position first);
  /// Pointers that the optimizer does not know to be the same in every tile: it would keep more than registers hold.
  Channels reread(const Channels &c);
  SmallVector<Value, 2> loadHalf(const Channels &c, Value pointer, int64_t column, int64_t quad, int64_t half);
  Registers loadColumn(const Channels &c, Value pointer, int64_t column);
  Value unpack(Value a, Value b, Type element, bool high);
  Sums initialSums(const Channels &c);
  void accumulate(const Channels &c, int64_t step, int64_t first, ArrayRef<Value> codes,
                  MutableArrayRef<Registers> sums);
  void epilogue(const Channels &c, Position first, const Sums &sums);
  void finish(const Channels &c, Position position, ArrayRef<Value> sums);
  Registers loadParameter(const Channels &c, size_t view, Position position);
  Value natural(const Channels &c, Value scalar, ArrayRef<IRMapping> bodies);
  VectorType vector(int64_t lanes, Type element) { return VectorType::get({lanes}, element); }

  DepthwiseLayout layout;
  PixelStrides input;
  int64_t dwordStride, columnStride; // bytes of the input between taps of a dword, and between columns
  int64_t along, stride, dilation;   // outputs of a tile across the dwords; there, stride and dilation
  int64_t carried = 0;               // columns that the next tile of a row needs too
};

DotKernel::DotKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
    : DepthwiseKernel(builder, op, views, target), layout(op, target), input(views[0]) {
  int64_t down = input.row * g.dilationHeight;
  dwordStride = layout.vertical ? down : input.pixel * g.dilationWidth;
  columnStride = layout.vertical ? input.pixel : 0;
  stride = layout.vertical ? g.strideWidth : 1;
  dilation = layout.vertical ? g.dilationWidth : 1;
  chooseTile();
}

/// Columns stay in registers from tile to tile where there is room; else a tile has several outputs across.
void DotKernel::chooseTile() {
  int64_t shared = dilation == 1 ? std::max<int64_t>(0, layout.steps - stride) : 0;
  // Next to the sums: one column, and temporaries of interleaving and of codes as int16.
  int64_t sums = registers * layout.outputs, spare = target.vectorRegisters - registers - 4 * layout.parts;
  bool room = sums + registers * layout.quads * shared <= spare && target.dot == DotForm::Vnni;
  carried = layout.vertical && !oneRow() && room ? shared : 0;
  int64_t extent = layout.vertical && !carried ? g.width : 1;
  along = std::clamp<int64_t>(spare / sums, 1, std::min<int64_t>(extent, 3));
  tileHeight = layout.vertical ? layout.outputs : 1;
  tileWidth = layout.vertical ? along : layout.outputs;
}

Kernel DotKernel::build() {
  int64_t extent = grid(layout.blocks.size(), [&](Value index, Position first) { dispatch(index, first, 0); });
  return {kb.finish(), extent, "depthwise"};
}

/// The widest blocks share code, every other one has its own.
void DotKernel::dispatch(Value index, Position first, size_t block) {
  const ChannelBlock &channels = layout.blocks[block];
  bool full = int64_t(block) < layout.fullBlocks;
  Value start = full ? kb.mul(index, channels.width) : kb.index(channels.start);
  Value element = start;
  if (!full) {
    int64_t before = 0;
    for (size_t i = 0; i < block; ++i)
      before += layout.blocks[i].width;
    element = kb.index(before);
  }
  // Bytes of a block are proportional to its width.
  Value weights = kb.at(kb.argument(1), kb.mul(element, layout.blockBytes(1)));
  size_t next = full ? layout.fullBlocks : block + 1;
  auto emit = [&] { row({start, element, weights, channels.width, channels.valid}, first); };
  if (next == layout.blocks.size())
    return emit();
  Value here = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::slt, index, kb.index(next));
  auto branch = scf::IfOp::create(kb.b, kb.loc, here, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(kb.b);
  kb.b.setInsertionPointToStart(branch.thenBlock());
  emit();
  kb.b.setInsertionPointToStart(branch.elseBlock());
  dispatch(index, first, next);
}

DotKernel::Channels DotKernel::reread(const Channels &c) {
  Channels again = c;
  again.weights = kb.opaque(c.weights);
  return again;
}

void DotKernel::row(Channels c, Position first) {
  if (carried)
    return carriedRow(c, first);
  tiles(first, [&](Position position) { tile(c, position); });
}

/// Tiles one output wide: the last columns of one are the first of the next.
void DotKernel::carriedRow(Channels c, Position first) {
  SmallVector<Value> columns;
  Value start = address(0, first, c.first);
  for (int64_t i = 0; i < carried; ++i)
    llvm::append_range(columns, loadColumn(c, start, i));
  kb.loop(g.width, columns, [&](Value x, ValueRange now) {
    Position position{first.image, first.y, x};
    Value pointer = address(0, position, c.first);
    Channels here = reread(c);
    SmallVector<Value> all(now);
    for (int64_t i = carried; i < layout.steps; ++i)
      llvm::append_range(all, loadColumn(here, pointer, i));
    Sums sums = initialSums(here);
    int64_t size = registers * layout.quads;
    for (int64_t step = 0; step < layout.steps; ++step)
      accumulate(here, step, 0, ArrayRef(all).slice(step * size, size), sums[0]);
    epilogue(here, position, sums);
    return SmallVector<Value>(ArrayRef(all).take_back(carried * size));
  });
}

/// Column by column, so that no more than half of one is in registers.
void DotKernel::tile(Channels c, Position first) {
  Sums sums = initialSums(c);
  Value pointer = address(0, first, c.first);
  int64_t columns = (along - 1) * stride + (layout.steps - 1) * dilation + 1;
  for (int64_t i = 0; i < columns; ++i) {
    SmallVector<std::pair<int64_t, int64_t>> uses; // output across, step
    for (int64_t t = 0; t < along; ++t) {
      int64_t from = i - t * stride;
      if (from >= 0 && from % dilation == 0 && from / dilation < layout.steps)
        uses.push_back({t, from / dilation});
    }
    for (int64_t half = 0; half < 2 * layout.quads && !uses.empty(); ++half) {
      Channels here = reread(c);
      // Codes as int16 leave no register for the rows of the other half: they are read again.
      Value rows = layout.parts == 1 ? pointer : kb.opaque(pointer);
      SmallVector<Value, 2> codes = loadHalf(c, rows, i, half / 2, half % 2);
      for (auto [t, step] : uses)
        accumulate(here, step, 2 * half, codes, sums[t]);
    }
  }
  epilogue(c, first, sums);
}

/// Registers 2 * half and 2 * half + 1 of a quad: four rows, interleaved by bytes and then by words.
SmallVector<Value, 2> DotKernel::loadHalf(const Channels &c, Value pointer, int64_t column, int64_t quad,
                                          int64_t half) {
  int64_t taps = layout.taps + (layout.outputs - 1) * layout.stride;
  VectorType type = vector(c.width, kb.i8);
  SmallVector<Value, 4> codes;
  for (int64_t tap = 4 * quad; tap < 4 * quad + 4; ++tap)
    codes.push_back(tap < taps ? kb.loadLanes(type, kb.at(pointer, tap * dwordStride + column * columnStride), c.valid)
                               : kb.integer(type, 0));
  Value low = unpack(codes[0], codes[1], kb.i8, half), high = unpack(codes[2], codes[3], kb.i8, half);
  return {unpack(low, high, kb.i16, false), unpack(low, high, kb.i16, true)};
}

/// One column of the window along the axis of the dwords: the registers of all quads.
DotKernel::Registers DotKernel::loadColumn(const Channels &c, Value pointer, int64_t column) {
  Registers result;
  for (int64_t half = 0; half < 2 * layout.quads; ++half)
    llvm::append_range(result, loadHalf(c, pointer, column, half / 2, half % 2));
  return result;
}

/// Halves of each 16 bytes of two registers, element by element.
Value DotKernel::unpack(Value a, Value b, Type element, bool high) {
  auto bytes = cast<VectorType>(a.getType());
  int64_t count = bytes.getNumElements() * 8 / element.getIntOrFloatBitWidth();
  int64_t inLane = 128 / element.getIntOrFloatBitWidth();
  VectorType type = vector(count, element);
  SmallVector<int64_t> order;
  for (int64_t i = 0; i < count; ++i)
    order.push_back(i / inLane * inLane + high * inLane / 2 + i % inLane / 2 + i % 2 * count);
  Value x = vector::BitCastOp::create(kb.b, kb.loc, type, a), y = vector::BitCastOp::create(kb.b, kb.loc, type, b);
  return vector::BitCastOp::create(kb.b, kb.loc, bytes, vector::ShuffleOp::create(kb.b, kb.loc, x, y, order));
}

DotKernel::Sums DotKernel::initialSums(const Channels &c) {
  int64_t lanes = c.width / registers;
  Registers initial;
  Value pointer = kb.at(kb.opaque(kb.argument(2)), kb.mul(c.element, 4));
  for (int64_t i = 0; i < registers; ++i)
    initial.push_back(kb.load(vector(lanes, kb.i32), kb.at(pointer, i * lanes * 4)));
  return Sums(along, SmallVector<Registers, 2>(layout.outputs, initial));
}

/// Adds the dot products of one kernel step and the registers of a column from `first` on.
void DotKernel::accumulate(const Channels &c, int64_t step, int64_t first, ArrayRef<Value> codes,
                           MutableArrayRef<Registers> sums) {
  DotProduct dot(kb, target, c.width / registers);
  for (auto [i, code] : llvm::enumerate(codes)) {
    int64_t quad = (first + i) / registers, index = (first + i) % registers;
    DotProduct::Activations prepared = dot.prepareLanes(code);
    for (int64_t output = 0; output < layout.outputs; ++output) {
      int64_t offset = layout.stepOffset(c.width, step, quad, output) + index * layout.registerBytes(c.width);
      Value &sum = sums[output][index];
      sum = dot.accumulate(sum, prepared, dot.loadPrepared(kb.at(c.weights, offset)));
    }
  }
}

void DotKernel::epilogue(const Channels &c, Position first, const Sums &sums) {
  for (int64_t t = 0; t < along; ++t)
    for (int64_t output = 0; output < layout.outputs; ++output) {
      Value y = layout.vertical ? kb.add(first.y, output) : first.y;
      Value x = kb.add(first.x, layout.vertical ? t : output);
      finish(c, {first.image, y, x}, sums[t][output]);
    }
}

/// The registers of one parameter, in the order of the sums.
DotKernel::Registers DotKernel::loadParameter(const Channels &c, size_t view, Position position) {
  int64_t lanes = c.width / registers;
  VectorType type = vector(lanes, views[view].element);
  Registers result;
  if (perChannel(view)) {
    Value pointer = kb.opaque(parameterAddress(view, c.element));
    for (int64_t i = 0; i < registers; ++i)
      result.push_back(kb.load(type, kb.at(pointer, i * lanes * views[view].elementBytes())));
    return result;
  }
  Value all = kb.loadLanes(vector(c.width, views[view].element), address(view, position, c.first), c.valid);
  for (int64_t i = 0; i < registers; ++i) {
    SmallVector<int64_t> order;
    for (int64_t lane = 0; lane < lanes; ++lane)
      order.push_back(lane / 4 * 16 + i * 4 + lane % 4);
    result.push_back(vector::ShuffleOp::create(kb.b, kb.loc, all, all, order));
  }
  return result;
}

void DotKernel::finish(const Channels &c, Position position, ArrayRef<Value> sums) {
  size_t parameters = op.getParameters().size();
  SmallVector<Registers> loaded;
  for (size_t p = 1; p <= parameters; ++p)
    loaded.push_back(loadParameter(c, p, position));
  SmallVector<IRMapping, registers> bodies;
  for (int64_t i = 0; i < registers; ++i) {
    SmallVector<Value> arguments{sums[i]};
    for (const Registers &parameter : loaded)
      arguments.push_back(parameter[i]);
    bodies.push_back(mapBody(kb, op.getBody(), arguments, c.width / registers));
  }
  for (auto [r, scalar] : llvm::enumerate(op.getBody().getTerminator()->getOperands()))
    kb.storeLanes(natural(c, scalar, bodies), address(1 + parameters + r, position, c.first), c.valid);
}

/// A result of the epilogue in the order of channels. `bodies`: the epilogue on each of the four registers.
Value DotKernel::natural(const Channels &c, Value scalar, ArrayRef<IRMapping> bodies) {
  auto vectors = [&](Value value) {
    return llvm::map_to_vector<registers>(bodies, [&](const IRMapping &map) { return map.lookupOrDefault(value); });
  };
  CodePacking packing(kb, c.width / registers);
  auto round = scalar.getDefiningOp<lowbit::RoundOp>();
  if (Value real = round ? CodePacking::roundedScalar(round) : Value())
    return packing.roundAndPack(vectors(real), round);
  Registers results = vectors(scalar);
  if (scalar.getType() == kb.i8)
    return packing.pack(results);
  int64_t lanes = c.width / registers;
  SmallVector<int64_t> both = llvm::to_vector(llvm::seq<int64_t>(0, 2 * lanes)), order;
  Value low = vector::ShuffleOp::create(kb.b, kb.loc, results[0], results[1], both);
  Value high = vector::ShuffleOp::create(kb.b, kb.loc, results[2], results[3], both);
  for (int64_t channel = 0; channel < c.width; ++channel)
    order.push_back(channel % 16 / 4 * lanes + channel / 16 * 4 + channel % 4);
  return vector::ShuffleOp::create(kb.b, kb.loc, low, high, order);
}

} // namespace

Kernel buildDepthwiseDotKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target) {
  return DotKernel(builder, op, views, target).build();
}

} // namespace anybit::cpu
