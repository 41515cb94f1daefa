//===- PopcountKernel.cpp - convolutions that count bits ------------------===//
//
// Recipes R3, R4 and R10, numerics N9 (docs/kernels.md). The input is cut into bit planes in the scratch of the thread,
// 32 channels a word; weights come in planes (weights.h, ANYBIT_ORDER_PLANES). A tile counts, for every pair of planes
// i of the weights and j of the input, the ones of w_i & a_j (`odd`: of w_i ^ a_j), and weighs them by 2^(i+j) in
// Horner's way: pairs come in descending order of i + j, and the sums double in between.
//
//===----------------------------------------------------------------------===//

#include "FrameTile.h"
#include "anybit/Target/CPU/DotTile.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace anybit::cpu {
namespace {

class PopcountKernel : public FrameTile {
public:
  PopcountKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target);

private:
  SmallVector<Value> sums(Streams streams, ArrayRef<Value> rowPointers, ValueRange initial) override;
  int64_t blockBytes() const override { return packed.getBits() * planeBytes(); }
  void prepareChannels(Value from, Value to) override;
  void packWord(Value from, Value to, int64_t channels);
  void sliceCodes(Value from, Value to, int64_t channels);

  /// What a pass over the reduction carries: sums, and the counts of bytes where the target counts bytes.
  SmallVector<Value> countPair(int64_t weightBit, int64_t inputBit, Value weights, ArrayRef<Value> rowPointers,
                               ValueRange sums);
  SmallVector<Value> countWord(Value weights, Value inputOffset, ArrayRef<Value> rowPointers, ValueRange counts,
                               bool negative);
  Value sumOfBytes(Value counts);

  bool isOdd() { return op.getWeightFormat()->getKind() == msq::FormatKind::Odd; }
  int64_t inputBits() { return cpu::inputBits(op); }
  int64_t words() const { return llvm::divideCeil(g.channelsIn, 32); }
  int64_t wordBytes() const { return packed.getColumns() * 4; }
  int64_t planeBytes() const { return g.kernelHeight * g.kernelWidth * words() * wordBytes(); }

  bool countsWords;
};

PopcountKernel::PopcountKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target)
    : FrameTile(builder, op, views, target), countsWords(target.countsWords) {
  rows = countingRows(target, vectors, g.positions());
  layOut(inputBits() * words() * 4, /*frames=*/1, halfOfCache, /*leastTiles=*/4);
}

/// One plane after the other of the first `channels` channels at `from`: a lane's bit is moved to its sign, and the
/// signs of a register are a word.
void PopcountKernel::packWord(Value from, Value to, int64_t channels) {
  auto bytes = VectorType::get({32}, kb.i8);
  Value codes = kb.loadLanes(bytes, from, channels), zero = kb.integer(bytes, 0);
  for (int64_t bit = 0; bit < inputBits(); ++bit) {
    Value raised = arith::ShLIOp::create(kb.b, kb.loc, codes, kb.integer(bytes, 7 - bit));
    Value signs = arith::CmpIOp::create(kb.b, kb.loc, arith::CmpIPredicate::slt, raised, zero);
    Value word = LLVM::BitcastOp::create(kb.b, kb.loc, kb.i32, signs);
    kb.store(word, kb.at(to, bit * words() * 4));
  }
}

/// The same of a register of codes by GFNI: with eight codes as a matrix, its product with the vector of bit k has bit
/// k of each of them, the first code last; another product turns them round.
void PopcountKernel::sliceCodes(Value from, Value to, int64_t channels) {
  int64_t codes = target.vectorBits / 8, eights = codes / 8;
  auto type = VectorType::get({codes}, kb.i8), qwords = VectorType::get({eights}, kb.b.getI64Type());
  auto product = [&](Value vectors, Value matrices) {
    return kb.intrinsic("llvm.x86.vgf2p8affineqb." + std::to_string(target.vectorBits), type,
                        {vectors, matrices, kb.integer(kb.i8, 0)});
  };
  auto repeated = [&](int64_t eightBytes) {
    return vector::BitCastOp::create(kb.b, kb.loc, type, kb.integer(qwords, eightBytes));
  };
  constexpr int64_t bitOfEachByte = int64_t(0x8040201008040201);
  Value bits = product(repeated(bitOfEachByte), kb.loadLanes(type, from, channels));
  bits = product(bits, repeated(bitOfEachByte));
  SmallVector<int64_t> order;
  for (int64_t i = 0; i < codes; ++i)
    order.push_back(i % eights * 8 + i / eights);
  Value planes = vector::ShuffleOp::create(kb.b, kb.loc, bits, bits, order);
  auto store = [&](int64_t plane, int64_t count, int64_t offset) {
    kb.store(vector::ExtractStridedSliceOp::create(kb.b, kb.loc, planes, {plane * eights}, {count}, {1}),
             kb.at(to, offset));
  };
  if (words() * 4 == eights)
    return store(0, inputBits() * eights, 0);
  for (int64_t bit = 0; bit < inputBits(); ++bit)
    store(bit, llvm::divideCeil(channels, 32) * 4, bit * words() * 4);
}

void PopcountKernel::prepareChannels(Value from, Value to) {
  int64_t together = target.slicesBits ? target.vectorBits / 8 : 32;
  auto pack = [&](Value codes, Value planes, int64_t channels) {
    target.slicesBits ? sliceCodes(codes, planes, channels) : packWord(codes, planes, channels);
  };
  int64_t full = g.channelsIn / together, rest = g.channelsIn % together;
  if (full)
    kb.loop(full,
            [&](Value i) { pack(kb.at(from, kb.mul(i, together)), kb.at(to, kb.mul(i, together / 8)), together); });
  if (rest)
    pack(kb.at(from, full * together), kb.at(to, full * together / 8), rest);
}

/// counts +- ones of 32 channels, for every row and register.
SmallVector<Value> PopcountKernel::countWord(Value weights, Value inputOffset, ArrayRef<Value> rowPointers,
                                             ValueRange counts, bool negative) {
  auto dwords = VectorType::get({lanes}, kb.i32), bytes = VectorType::get({lanes * 4}, kb.i8);
  SmallVector<Value> columns, next(counts);
  for (int64_t v = 0; v < vectors; ++v)
    columns.push_back(kb.load(dwords, kb.at(weights, v * lanes * 4)));
  for (int64_t row = 0; row < rows; ++row) {
    Value codes = kb.splat(dwords, kb.load(kb.i32, kb.at(rowPointers[row], inputOffset)));
    for (int64_t v = 0; v < vectors; ++v) {
      Value bits = isOdd() ? Value(arith::XOrIOp::create(kb.b, kb.loc, columns[v], codes))
                           : Value(arith::AndIOp::create(kb.b, kb.loc, columns[v], codes));
      if (!countsWords)
        bits = vector::BitCastOp::create(kb.b, kb.loc, bytes, bits);
      Value ones = math::CtPopOp::create(kb.b, kb.loc, bits), &count = next[row * vectors + v];
      count = negative ? Value(arith::SubIOp::create(kb.b, kb.loc, count, ones))
                       : Value(arith::AddIOp::create(kb.b, kb.loc, count, ones));
    }
  }
  return next;
}

/// The four bytes of every lane as one int32.
Value PopcountKernel::sumOfBytes(Value counts) {
  auto dwords = VectorType::get({lanes}, kb.i32);
  auto fold = [&](Value value, int64_t bits, int64_t mask) -> Value {
    Value high = arith::ShRUIOp::create(kb.b, kb.loc, value, kb.integer(dwords, bits));
    Value low = arith::AndIOp::create(kb.b, kb.loc, value, kb.integer(dwords, mask));
    return arith::AddIOp::create(kb.b, kb.loc, low,
                                 arith::AndIOp::create(kb.b, kb.loc, high, kb.integer(dwords, mask)));
  };
  Value pairs = fold(vector::BitCastOp::create(kb.b, kb.loc, dwords, counts), 8, 0x00FF00FF);
  return fold(pairs, 16, 0x0000FFFF);
}

/// sums +- ones of all words of the reduction, for one pair of planes.
SmallVector<Value> PopcountKernel::countPair(int64_t weightBit, int64_t inputBit, Value weights,
                                             ArrayRef<Value> rowPointers, ValueRange sums) {
  bool negative = isOdd() || weightBit == packed.getBits() - 1;
  Value plane = kb.at(weights, weightBit * planeBytes());
  auto wordsOfRun = [&](Value ky, Value kx, Value firstWord, int64_t count, ValueRange carried, bool minus) {
    Value run = kb.add(kb.mul(ky, g.kernelWidth), kx);
    Value inputBase = kb.add(kb.mul(ky, input.row * g.dilationHeight), kb.mul(kx, input.pixel * g.dilationWidth));
    return kb.loop(count, carried, [&](Value i, ValueRange counts) {
      Value word = kb.add(firstWord, i);
      Value offset = kb.mul(kb.add(kb.mul(run, words()), word), wordBytes());
      return countWord(kb.at(plane, offset), kb.add(inputBase, kb.add(kb.mul(word, 4), inputBit * words() * 4)),
                       rowPointers, counts, minus);
    });
  };
  if (countsWords)
    return kb.loop(g.kernelHeight, sums, [&](Value ky, ValueRange outer) {
      return kb.loop(g.kernelWidth, outer, [&](Value kx, ValueRange inner) {
        return wordsOfRun(ky, kx, kb.index(0), words(), inner, negative);
      });
    });
  // A byte holds the ones of 31 words: counts are summed after so many kernel positions, or pieces of a position.
  constexpr int64_t wordsOfByte = 31;
  auto bytes = VectorType::get({lanes * 4}, kb.i8);
  auto summed = [&](ValueRange before, llvm::function_ref<SmallVector<Value>(ValueRange)> count) {
    SmallVector<Value> counts = count(SmallVector<Value>(rows * vectors, kb.integer(bytes, 0))), after;
    for (auto [sum, byte] : llvm::zip_equal(before, counts)) {
      Value ones = sumOfBytes(byte);
      after.push_back(negative ? Value(arith::SubIOp::create(kb.b, kb.loc, sum, ones))
                               : Value(arith::AddIOp::create(kb.b, kb.loc, sum, ones)));
    }
    return after;
  };
  if (words() * g.kernelWidth <= wordsOfByte)
    return kb.loop(g.kernelHeight, sums, [&](Value ky, ValueRange outer) {
      return summed(outer, [&](ValueRange counts) {
        return kb.loop(g.kernelWidth, counts, [&](Value kx, ValueRange inner) {
          return wordsOfRun(ky, kx, kb.index(0), words(), inner, /*minus=*/false);
        });
      });
    });
  int64_t pieces = words() / wordsOfByte, rest = words() % wordsOfByte;
  return kb.loop(g.kernelHeight, sums, [&](Value ky, ValueRange outer) {
    return kb.loop(g.kernelWidth, outer, [&](Value kx, ValueRange inner) {
      SmallVector<Value> all(inner);
      if (pieces)
        all = kb.loop(pieces, all, [&](Value piece, ValueRange carried) {
          return summed(carried, [&](ValueRange counts) {
            return wordsOfRun(ky, kx, kb.mul(piece, wordsOfByte), wordsOfByte, counts, false);
          });
        });
      if (rest)
        all = summed(all, [&](ValueRange counts) {
          return wordsOfRun(ky, kx, kb.index(pieces * wordsOfByte), rest, counts, false);
        });
      return all;
    });
  });
}

SmallVector<Value> PopcountKernel::sums(Streams streams, ArrayRef<Value> rowPointers, ValueRange initial) {
  Value weights = streams.weights;
  auto dwords = VectorType::get({lanes}, kb.i32);
  SmallVector<Value> result(rows * vectors, kb.integer(dwords, 0));
  int64_t highest = packed.getBits() + inputBits() - 2;
  for (int64_t exponent = highest; exponent >= 0; --exponent) {
    for (Value &sum : result)
      if (exponent != highest)
        sum = arith::AddIOp::create(kb.b, kb.loc, sum, sum);
    for (int64_t bit = 0; bit < packed.getBits(); ++bit)
      if (exponent - bit >= 0 && exponent - bit < inputBits())
        result = countPair(bit, exponent - bit, weights, rowPointers, result);
  }
  for (auto [i, sum] : llvm::enumerate(result))
    sum = arith::AddIOp::create(kb.b, kb.loc, sum, initial[i % vectors]);
  return result;
}

} // namespace

unsigned inputBits(lowbit::ConvOp op) { return llvm::Log2_32_Ceil(std::max<uint32_t>(op.getInputHigh(), 1) + 1); }

Kernel buildPopcountKernel(OpBuilder &builder, lowbit::ConvOp op, ArrayRef<View> views, const CpuTarget &target) {
  return PopcountKernel(builder, op, views, target).build("popcount");
}

} // namespace anybit::cpu
