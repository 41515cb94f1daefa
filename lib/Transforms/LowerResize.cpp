//===- LowerResize.cpp - resampling as gathers ----------------------------===//

#include "LowerResize.h"
#include "Constants.h"
#include "anybit/Transforms/Passes.h"

#include <cmath>

using namespace mlir;

namespace anybit {
namespace {

/// Where one output position reads along one dimension: two source positions and the weight of the second.
struct Tap {
  int64_t first, second;
  float weight;
};

/// The source coordinate of an output position, in float32 as ONNX Runtime computes it.
float sourceCoordinate(StringRef mode, float x, float scale, int64_t in, int64_t out) {
  if (mode == "asymmetric")
    return x / scale;
  if (mode == "align_corners")
    return out == 1 ? 0 : x * float(in - 1) / float(out - 1);
  if (mode == "pytorch_half_pixel" && out <= 1)
    return 0;
  if (mode == "half_pixel_symmetric") {
    float adjustment = float(out) / (scale * float(in)), center = float(in) / 2;
    return center * (1 - adjustment) + (x + 0.5f) / scale - 0.5f;
  }
  return (x + 0.5f) / scale - 0.5f;
}

int64_t nearestPosition(StringRef rounding, float x) {
  if (rounding == "floor")
    return int64_t(std::floor(x));
  if (rounding == "ceil")
    return int64_t(std::ceil(x));
  if (rounding == "round_prefer_ceil")
    return int64_t(std::floor(x + 0.5f));
  return int64_t(std::ceil(x - 0.5f));
}

std::vector<Tap> makeTaps(msq::ResizeOp op, int64_t dim) {
  int64_t in = cast<RankedTensorType>(op.getInput().getType()).getDimSize(dim);
  int64_t out = cast<RankedTensorType>(op.getOutput().getType()).getDimSize(dim);
  auto inside = [&](int64_t position) { return std::clamp<int64_t>(position, 0, in - 1); };
  std::vector<Tap> taps;
  for (int64_t i = 0; i < out; ++i) {
    float x = sourceCoordinate(op.getCoordinates(), float(i), float(op.getScales()[dim]), in, out);
    if (op.getMode() == "nearest") {
      int64_t position = inside(nearestPosition(op.getNearest(), x));
      taps.push_back({position, position, 0});
      continue;
    }
    x = std::clamp(x, 0.0f, float(in - 1));
    int64_t first = int64_t(std::floor(x));
    taps.push_back({first, inside(first + 1), x - float(first)});
  }
  return taps;
}

template <typename T, typename Get>
Value tableOf(PatternRewriter &rewriter, Location loc, Type element, const std::vector<Tap> &taps, Get get) {
  std::vector<T> values;
  for (const Tap &tap : taps)
    values.push_back(get(tap));
  const char *data = reinterpret_cast<const char *>(values.data());
  return createConstant(rewriter, loc, RankedTensorType::get({int64_t(values.size())}, element),
                        std::vector<char>(data, data + values.size() * sizeof(T)));
}

struct LowerResize : OpRewritePattern<msq::ResizeOp> {
  using OpRewritePattern::OpRewritePattern;

  struct Tables {
    int64_t dim;
    Value first, second, weight;
  };

  LogicalResult matchAndRewrite(msq::ResizeOp op, PatternRewriter &rewriter) const override {
    auto in = cast<RankedTensorType>(op.getInput().getType()), out = cast<RankedTensorType>(op.getOutput().getType());
    SmallVector<Tables> tables;
    for (int64_t dim = 0; dim < in.getRank(); ++dim) {
      if (in.getDimSize(dim) == out.getDimSize(dim) && op.getScales()[dim] == 1.0)
        continue;
      std::vector<Tap> taps = makeTaps(op, dim);
      Location loc = op.getLoc();
      tables.push_back({dim,
                        tableOf<int32_t>(rewriter, loc, rewriter.getI32Type(), taps, [](const Tap &t) { return int32_t(t.first); }),
                        tableOf<int32_t>(rewriter, loc, rewriter.getI32Type(), taps, [](const Tap &t) { return int32_t(t.second); }),
                        tableOf<float>(rewriter, loc, rewriter.getF32Type(), taps, [](const Tap &t) { return t.weight; })});
    }
    if (tables.size() > 3)
      return rewriter.notifyMatchFailure(op, "resamples more than three dimensions");
    if (!isSeparable(op, tables)) {
      rewriter.replaceOp(op, gather(rewriter, op, op.getInput(), out, tables));
      return success();
    }
    Value result = op.getInput();
    SmallVector<int64_t> shape(in.getShape());
    for (const Tables &table : llvm::reverse(tables)) {
      shape[table.dim] = out.getDimSize(table.dim);
      result = gather(rewriter, op, result, RankedTensorType::get(shape, out.getElementType()), table);
      result.getDefiningOp()->setAttr(linearDimension, rewriter.getI64IntegerAttr(table.dim));
    }
    rewriter.replaceOp(op, result);
    return success();
  }

  /// Whether one dimension after the other, the last first, takes fewer operations than all at once: what lies between
  /// two positions of an outer dimension is then interpolated once. The operations on an element and their order are the same.
  static bool isSeparable(msq::ResizeOp op, ArrayRef<Tables> tables) {
    auto in = cast<RankedTensorType>(op.getInput().getType()), out = cast<RankedTensorType>(op.getOutput().getType());
    return op.getMode() == "linear" && tables.size() > 1 && llvm::all_of(tables.drop_back(), [&](const Tables &table) {
             return in.getDimSize(table.dim) <= 2 * out.getDimSize(table.dim);
           });
  }

  static Value gather(PatternRewriter &rewriter, msq::ResizeOp op, Value input, RankedTensorType out,
                      ArrayRef<Tables> tables) {
    Value empty = tensor::EmptyOp::create(rewriter, op.getLoc(), out.getShape(), out.getElementType());
    SmallVector<AffineMap> maps(1, rewriter.getMultiDimIdentityMap(out.getRank()));
    SmallVector<utils::IteratorType> iterators(out.getRank(), utils::IteratorType::parallel);
    auto body = [&](OpBuilder &b, Location loc, ValueRange) {
      SmallVector<Value> position;
      for (int64_t d = 0; d < out.getRank(); ++d)
        position.push_back(linalg::IndexOp::create(b, loc, d));
      linalg::YieldOp::create(b, loc, interpolate(b, loc, op.getMode() == "nearest", input, tables, position, position));
    };
    return linalg::GenericOp::create(rewriter, op.getLoc(), out, ValueRange(), empty, maps, iterators, body)
        .getResult(0);
  }

  static Value readIndex(OpBuilder &b, Location loc, Value table, Value at) {
    Value index = tensor::ExtractOp::create(b, loc, table, at);
    return arith::IndexCastOp::create(b, loc, b.getIndexType(), index);
  }

  /// Interpolates the last resampled dimension outermost: a + (b - a) would round differently from a*(1-w) + b*w.
  static Value interpolate(OpBuilder &b, Location loc, bool isNearest, Value input, ArrayRef<Tables> tables,
                           ArrayRef<Value> output, SmallVector<Value> source) {
    if (tables.empty())
      return tensor::ExtractOp::create(b, loc, input, source);
    const Tables &table = tables.front();
    SmallVector<Value> left(source), right(source);
    left[table.dim] = readIndex(b, loc, table.first, output[table.dim]);
    Value low = interpolate(b, loc, isNearest, input, tables.drop_front(), output, left);
    if (isNearest)
      return low;
    right[table.dim] = readIndex(b, loc, table.second, output[table.dim]);
    Value high = interpolate(b, loc, isNearest, input, tables.drop_front(), output, right);
    Value weight = tensor::ExtractOp::create(b, loc, table.weight, output[table.dim]);
    Value one = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(1.0));
    Value rest = arith::SubFOp::create(b, loc, one, weight);
    Value first = arith::MulFOp::create(b, loc, low, rest), second = arith::MulFOp::create(b, loc, high, weight);
    return arith::AddFOp::create(b, loc, first, second);
  }
};

} // namespace

void populateResizePatterns(RewritePatternSet &patterns) { patterns.add<LowerResize>(patterns.getContext()); }

} // namespace anybit
