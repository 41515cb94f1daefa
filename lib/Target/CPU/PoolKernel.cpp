//===- PoolKernel.cpp - windows over channels-last tensors ----------------===//
//
// A row of the result in tiles of positions, a register of channels at a time. The columns that the windows of a tile
// touch are reduced over the rows first, each in a register of its own; then every window is reduced from its columns,
// which windows share. Windows are cut at the border of the input, so padding is never read: rows while running,
// columns while building, the tiles at both ends of a row being written out. A window of more columns than registers
// runs over its columns.
//
//===----------------------------------------------------------------------===//

#include "ConvGeometry.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

#include <set>

using namespace mlir;

namespace anybit::cpu {
namespace {

/// Registers of channels that run together where one position is computed at a time.
constexpr int64_t blockRegisters = 4;
/// Positions of a tile, and positions of a row that are written out, at most.
constexpr int64_t tilePositions = 8, cutPositions = 64;
/// Rows of a window of maxima that are written out, at most.
constexpr int64_t writtenRows = 7;

class PoolKernel {
public:
  PoolKernel(OpBuilder &builder, msq::PoolOp op, const View &input, const View &output, const CpuTarget &target)
      : op(op), in(input), out(output), from(input), to(output), kb(builder, op.getLoc(), 2),
        flat(input.shape.size() == 3), registers(target.vectorRegisters - 2), element(input.element),
        sum(accumulator()) {
    lanes = target.vectorBits / sum.getIntOrFloatBitWidth();
    bool hasMasks = target.vectorBits == 512 || (target.vectorBits == 256 && element.getIntOrFloatBitWidth() == 32);
    overlaps = !hasMasks && channelCount() % lanes != 0;
    uint64_t channels = channelCount();
    lanes = std::min<int64_t>(lanes, overlaps ? llvm::bit_floor(channels) : llvm::bit_ceil(channels));
  }

  Kernel build();

private:
  struct Range {
    Value from, to;
  };
  /// Columns first, first + dilation, … of a window, relative to the origin of its tile.
  struct Window {
    int64_t first, columns, counted;
  };
  using Tile = SmallVector<Window>;
  using Block = function_ref<void(Value channel, int64_t registers, int64_t valid)>;

  Type accumulator();
  bool isSum() { return op.getKind() != msq::PoolKind::Max; }
  int64_t channelCount() { return in.shape[1]; }
  int64_t at(ArrayRef<int64_t> values, int64_t dim) { return flat ? values[0] : values[dim]; }
  int64_t kernel(int64_t dim) { return at(op.getKernel(), dim); }
  int64_t stride(int64_t dim) { return at(op.getStrides(), dim); }
  int64_t dilation(int64_t dim) { return at(op.getDilations(), dim); }
  int64_t before(int64_t dim) { return at(op.getPads(), dim); }
  int64_t after(int64_t dim) { return op.getPads()[flat ? 1 : 2 + dim]; }
  int64_t size(const View &view, int64_t dim) { return flat && dim == 0 ? 1 : view.shape[dim + (flat ? 1 : 2)]; }
  int64_t rowStep() { return flat ? 0 : from.row * dilation(0); }
  bool writesRows();
  void writeRows(Value y);

  Range taps(Value position, int64_t dim, bool insidePadding);
  Value count(Range range) { return arith::SubIOp::create(kb.b, kb.loc, range.to, range.from); }
  Window windowAt(int64_t x);
  std::set<int64_t> columnsOf(const Tile &tile);
  int64_t positionsOfTile();
  SmallVector<std::pair<int64_t, Tile>> tilesBetween(int64_t begin, int64_t end);

  Value combine(Value a, Value b);
  Value load(Value pointer, int64_t valid);
  void store(Value value, Value counted, Value pointer, int64_t valid);
  Value start();
  SmallVector<Value> reducedColumns(const std::set<int64_t> &columns, Value input, int64_t vectors, int64_t valid);
  void blocks(int64_t together, Block block);
  void tile(const Tile &tile, Value source, Value target);
  Value reduce(const Window &window, const llvm::MapVector<int64_t, Value> &columns);
  void tiledRow(Value source, Value target);
  void window(Value source, Value target, Value x);
  void splitRow();
  void row(Value position);

  msq::PoolOp op;
  const View &in, &out;
  PixelStrides from, to;
  KernelBuilder kb;
  bool flat;
  int64_t registers;
  Type element, sum;
  int64_t lanes;
  bool overlaps;         ///< The last register of channels overlaps the one before it, for want of masks.
  Range rows;            ///< Of the windows of the current row.
  SmallVector<Value> rowOffsets; ///< Of those rows, in bytes from the first, where they are written out.
  Value rowsCounted;     ///< Rows that an average counts.
  int64_t positions = 0; ///< Of a tile; 0: a row has no tiles.
  int64_t begin = 0;     ///< Of the first tile that is not cut.
  int64_t tiles = 0;     ///< That are not cut.
};

/// What a total fits into: bytes of at most 257 positions into 16 bits.
Type PoolKernel::accumulator() {
  if (op.getKind() != msq::PoolKind::Total)
    return element;
  return llvm::product_of(op.getKernel()) <= 257 ? kb.i16 : kb.i32;
}

/// The kernel positions whose input lies inside of the tensor (or inside of its padding, for the divisor).
PoolKernel::Range PoolKernel::taps(Value position, int64_t dim, bool insidePadding) {
  if (flat && dim == 0)
    return {kb.index(0), kb.index(1)};
  int64_t low = insidePadding ? -before(dim) : 0, high = size(in, dim) + (insidePadding ? after(dim) : 0);
  Value start = kb.add(kb.mul(position, stride(dim)), -before(dim));
  // ceil((low - start) / dilation) and ceil((high - start) / dilation), both clamped to the kernel.
  auto first = [&](int64_t bound) {
    Value distance = arith::SubIOp::create(kb.b, kb.loc, kb.index(bound), start);
    Value positive = kb.max(distance, kb.index(0));
    Value taps = arith::DivUIOp::create(kb.b, kb.loc, kb.add(positive, dilation(dim) - 1), kb.index(dilation(dim)));
    return kb.min(taps, kb.index(kernel(dim)));
  };
  return {first(low), first(high)};
}

/// The window of column x of the result, cut at the border: its columns relative to the first column of the input.
PoolKernel::Window PoolKernel::windowAt(int64_t x) {
  int64_t start = x * stride(1) - before(1);
  auto first = [&](int64_t bound) {
    return std::min(kernel(1), int64_t(llvm::divideCeil(std::max<int64_t>(0, bound - start), dilation(1))));
  };
  int64_t low = first(0), high = first(size(in, 1)), counted = high - low;
  if (op.getCountIncludePad())
    counted = first(size(in, 1) + after(1)) - first(-before(1));
  return {start + low * dilation(1), high - low, counted};
}

std::set<int64_t> PoolKernel::columnsOf(const Tile &tile) {
  std::set<int64_t> columns;
  for (const Window &window : tile)
    for (int64_t i = 0; i < window.columns; ++i)
      columns.insert(window.first + i * dilation(1));
  return columns;
}

/// As many as have registers for their columns; 0 if not even one has.
int64_t PoolKernel::positionsOfTile() {
  if (kernel(1) > registers)
    return 0;
  Tile tile;
  while (int64_t(tile.size()) < std::min(tilePositions, size(out, 1))) {
    tile.push_back({int64_t(tile.size()) * stride(1), kernel(1), kernel(1)});
    if (int64_t(columnsOf(tile).size()) > registers)
      return tile.size() - 1;
  }
  return tile.size();
}

/// Tiles of the positions [begin, end), with the first position of each. A tile at a border has fewer columns and takes
/// more positions.
SmallVector<std::pair<int64_t, PoolKernel::Tile>> PoolKernel::tilesBetween(int64_t begin, int64_t end) {
  SmallVector<std::pair<int64_t, Tile>> tiles;
  for (int64_t x = begin; x < end; ++x) {
    Tile more = tiles.empty() ? Tile() : tiles.back().second;
    more.push_back(windowAt(x));
    bool fits = int64_t(columnsOf(more).size()) <= registers && int64_t(more.size()) <= 2 * tilePositions;
    if (!tiles.empty() && fits)
      tiles.back().second = more;
    else
      tiles.push_back({x, {windowAt(x)}});
  }
  return tiles;
}

/// Of the sum or maximum so far and the next. A maximum of reals is NaN if one of them is; of two zeros the first wins.
Value PoolKernel::combine(Value a, Value b) {
  if (isa<FloatType>(sum) && isSum())
    return arith::AddFOp::create(kb.b, kb.loc, a, b);
  if (isSum())
    return arith::AddIOp::create(kb.b, kb.loc, a, b);
  if (!isa<FloatType>(sum))
    return arith::MaxUIOp::create(kb.b, kb.loc, a, b);
  Value larger = arith::CmpFOp::create(kb.b, kb.loc, arith::CmpFPredicate::OGT, b, a);
  Value maximum = arith::SelectOp::create(kb.b, kb.loc, larger, b, a);
  Value isNaN = arith::CmpFOp::create(kb.b, kb.loc, arith::CmpFPredicate::UNO, b, b);
  return arith::SelectOp::create(kb.b, kb.loc, isNaN, b, maximum);
}

Value PoolKernel::start() {
  auto type = VectorType::get({lanes}, sum);
  if (!isa<FloatType>(sum))
    return kb.integer(type, 0);
  return kb.real(type, isSum() ? 0 : -std::numeric_limits<float>::infinity());
}

Value PoolKernel::load(Value pointer, int64_t valid) {
  Value value = kb.loadLanes(VectorType::get({lanes}, element), pointer, valid);
  if (element == sum)
    return value;
  return arith::ExtUIOp::create(kb.b, kb.loc, VectorType::get({lanes}, sum), value);
}

void PoolKernel::store(Value value, Value counted, Value pointer, int64_t valid) {
  auto type = VectorType::get({lanes}, out.element);
  if (op.getKind() == msq::PoolKind::Average) {
    Value divisor = arith::SIToFPOp::create(kb.b, kb.loc, kb.f32, counted);
    value = arith::DivFOp::create(kb.b, kb.loc, value, kb.splat(type, divisor));
  } else if (value.getType() != type) {
    value = arith::ExtUIOp::create(kb.b, kb.loc, type, value);
  }
  kb.storeLanes(value, pointer, valid);
}

/// All channels: `together` registers at a time, then one, then what is left.
void PoolKernel::blocks(int64_t together, Block block) {
  int64_t full = channelCount() / lanes, rest = channelCount() % lanes;
  int64_t wide = together > 1 ? full / together : 0, done = wide * together;
  if (wide)
    kb.loop(wide, [&](Value i) { block(kb.mul(i, together * lanes), together, lanes); });
  if (full > done)
    kb.loop(full - done, [&](Value i) { block(kb.add(kb.mul(i, lanes), done * lanes), 1, lanes); });
  if (rest)
    block(kb.index(overlaps ? channelCount() - lanes : full * lanes), 1, overlaps ? lanes : rest);
}

/// A window from its reduced columns. A maximum is put together from maxima of 2, 4, 8, … columns, which all windows of
/// a tile share; a sum adds one column after the other, so that no target sums in another order.
Value PoolKernel::reduce(const Window &window, const llvm::MapVector<int64_t, Value> &columns) {
  if (window.columns == 0)
    return start();
  auto column = [&](int64_t i) { return columns.lookup(window.first + i * dilation(1)); };
  if (isSum()) {
    Value total = column(0);
    for (int64_t i = 1; i < window.columns; ++i)
      total = combine(total, column(i));
    return total;
  }
  SmallVector<Value> maxima = llvm::map_to_vector(llvm::seq<int64_t>(0, window.columns), column);
  int64_t width = 1;
  for (; 2 * width <= window.columns; width *= 2)
    for (int64_t i = 0; i + 2 * width <= window.columns; ++i)
      maxima[i] = combine(maxima[i], maxima[i + width]);
  return width == window.columns ? maxima[0] : combine(maxima[0], maxima[window.columns - width]);
}

/// Whether the rows of the windows are written out: every load then walks along a row, which processors prefetch, where
/// a loop would make it jump from row to row. Rows of the padding become the row at the border, which the window has and
/// whose repetition does not change a maximum.
bool PoolKernel::writesRows() {
  if (isSum() || flat || dilation(0) != 1 || kernel(0) > writtenRows)
    return false;
  int64_t lastStart = (size(out, 0) - 1) * stride(0) - before(0);
  return before(0) < kernel(0) && lastStart < size(in, 0);
}

void PoolKernel::writeRows(Value y) {
  rowOffsets.clear();
  if (!writesRows())
    return;
  Value first = kb.add(kb.mul(y, stride(0)), -before(0));
  for (int64_t ky = 0; ky < kernel(0); ++ky) {
    Value row = kb.min(kb.max(kb.add(first, ky), kb.index(0)), kb.index(size(in, 0) - 1));
    rowOffsets.push_back(kb.mul(arith::SubIOp::create(kb.b, kb.loc, row, first), rowStep()));
  }
}

/// Every column reduced over the rows of the windows, `vectors` registers of channels each.
SmallVector<Value> PoolKernel::reducedColumns(const std::set<int64_t> &columns, Value input, int64_t vectors,
                                              int64_t valid) {
  auto loadAt = [&](Value row, int64_t column, int64_t vector) {
    return load(kb.at(row, column * from.pixel + vector * lanes * in.elementBytes()), valid);
  };
  SmallVector<Value> pointers;
  for (Value offset : rowOffsets)
    pointers.push_back(kb.at(input, offset));
  SmallVector<Value> reduced;
  for (int64_t column : columns)
    for (int64_t v = 0; v < vectors && !pointers.empty(); ++v) {
      reduced.push_back(loadAt(pointers.front(), column, v));
      for (Value row : ArrayRef(pointers).drop_front())
        reduced.back() = combine(reduced.back(), loadAt(row, column, v));
    }
  if (!reduced.empty())
    return reduced;
  reduced.assign(columns.size() * vectors, start());
  return kb.loop(rows.from, rows.to, 1, reduced, [&](Value ky, ValueRange carried) {
    Value row = kb.at(input, kb.mul(ky, rowStep()));
    SmallVector<Value> next;
    for (int64_t column : columns)
      for (int64_t v = 0; v < vectors; ++v)
        next.push_back(combine(carried[next.size()], loadAt(row, column, v)));
    return next;
  });
}

/// The positions of a tile; `source`: its origin in the first row of the windows, `target`: its first position.
void PoolKernel::tile(const Tile &tile, Value source, Value target) {
  std::set<int64_t> columns = columnsOf(tile);
  int64_t room = registers / std::max<int64_t>(1, columns.size());
  int64_t together = tile.size() == 1 ? std::clamp<int64_t>(room, 1, blockRegisters) : 1;
  blocks(together, [&](Value channel, int64_t vectors, int64_t valid) {
    Value input = kb.at(source, kb.mul(channel, in.elementBytes()));
    SmallVector<Value> reduced = reducedColumns(columns, input, vectors, valid);
    for (int64_t v = 0; v < vectors; ++v) {
      llvm::MapVector<int64_t, Value> values;
      for (auto [i, column] : llvm::enumerate(columns))
        values[column] = reduced[i * vectors + v];
      Value output = kb.at(target, kb.mul(kb.add(channel, v * lanes), out.elementBytes()));
      for (auto [i, window] : llvm::enumerate(tile))
        store(reduce(window, values), kb.mul(rowsCounted, window.counted), kb.at(output, i * to.pixel), valid);
    }
  });
}

/// The positions whose windows lie inside, in whole tiles. None if a row has no tiles.
void PoolKernel::splitRow() {
  positions = positionsOfTile();
  if (!positions)
    return;
  int64_t width = size(out, 1), last = size(in, 1) - 1 - (kernel(1) - 1) * dilation(1) + before(1);
  begin = std::min(int64_t(llvm::divideCeil(before(1), stride(1))), width);
  int64_t end = last < 0 ? begin : std::clamp(last / stride(1) + 1, begin, width);
  tiles = (end - begin) / positions;
  if (width - tiles * positions > cutPositions)
    positions = 0;
}

/// Positions whose windows lie inside share one tile in a loop; those before and behind are cut.
void PoolKernel::tiledRow(Value source, Value target) {
  auto cut = [&](int64_t first, int64_t last) {
    for (auto &[x, windows] : tilesBetween(first, last))
      tile(windows, source, kb.at(target, x * to.pixel));
  };
  cut(0, begin);
  Tile whole;
  for (int64_t i = 0; i < positions; ++i)
    whole.push_back({i * stride(1), kernel(1), kernel(1)});
  if (tiles)
    kb.loop(tiles, [&](Value i) {
      Value origin =
          kb.add(kb.mul(i, positions * stride(1) * from.pixel), (begin * stride(1) - before(1)) * from.pixel);
      Value position = kb.add(kb.mul(i, positions * to.pixel), begin * to.pixel);
      tile(whole, kb.at(source, origin), kb.at(target, position));
    });
  cut(begin + tiles * positions, size(out, 1));
}

/// One position at a time, columns in a loop.
void PoolKernel::window(Value source, Value target, Value x) {
  Range columns = taps(x, 1, /*insidePadding=*/false);
  Value counted = arith::MulIOp::create(kb.b, kb.loc, rowsCounted, count(taps(x, 1, op.getCountIncludePad())));
  Value corner = kb.at(source, kb.mul(kb.add(kb.mul(x, stride(1)), -before(1)), from.pixel));
  blocks(blockRegisters, [&](Value channel, int64_t vectors, int64_t valid) {
    Value input = kb.at(corner, kb.mul(channel, in.elementBytes()));
    SmallVector<Value> reduced(vectors, start());
    reduced = kb.loop(rows.from, rows.to, 1, reduced, [&](Value ky, ValueRange outer) {
      Value row = kb.at(input, kb.mul(ky, rowStep()));
      return kb.loop(columns.from, columns.to, 1, outer, [&](Value kx, ValueRange inner) {
        Value pixel = kb.at(row, kb.mul(kx, from.pixel * dilation(1)));
        SmallVector<Value> next;
        for (int64_t v = 0; v < vectors; ++v)
          next.push_back(combine(inner[v], load(kb.at(pixel, v * lanes * in.elementBytes()), valid)));
        return next;
      });
    });
    Value output = kb.at(kb.at(target, kb.mul(x, to.pixel)), kb.mul(channel, out.elementBytes()));
    for (int64_t v = 0; v < vectors; ++v)
      store(reduced[v], counted, kb.at(output, v * lanes * out.elementBytes()), valid);
  });
}

void PoolKernel::row(Value position) {
  Value height = kb.index(size(out, 0));
  Value image = arith::DivUIOp::create(kb.b, kb.loc, position, height);
  Value y = arith::RemUIOp::create(kb.b, kb.loc, position, height);
  rows = taps(y, 0, /*insidePadding=*/false);
  rowsCounted = count(taps(y, 0, op.getCountIncludePad()));
  writeRows(y);
  Value source = kb.mul(image, from.batch);
  if (!flat)
    source = kb.add(source, kb.mul(kb.add(kb.mul(y, stride(0)), -before(0)), from.row));
  Value input = kb.at(kb.argument(0), source);
  Value output = kb.at(kb.argument(1), kb.add(kb.mul(image, to.batch), kb.mul(y, to.row)));
  if (positions)
    tiledRow(input, output);
  else
    kb.loop(size(out, 1), [&](Value x) { window(input, output, x); });
}

Kernel PoolKernel::build() {
  splitRow();
  kb.loop(kb.begin(), kb.end(), [&](Value position) { row(position); });
  return {kb.finish(), in.shape[0] * size(out, 0), "pool"};
}

} // namespace

Kernel buildPoolKernel(OpBuilder &builder, msq::PoolOp op, const View &input, const View &output,
                       const CpuTarget &target) {
  return PoolKernel(builder, op, input, output, target).build();
}

} // namespace anybit::cpu
