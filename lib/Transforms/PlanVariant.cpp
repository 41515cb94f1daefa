//===- PlanVariant.cpp - dispatches of a variant --------------------------===//

#include "PlanVariant.h"
#include "Constants.h"

#include "anybit/Target/CPU/CostTable.h"
#include "anybit/abi.h"
#include "anybit/weights.h"

#include "mlir/Dialect/Linalg/Transforms/Transforms.h"

using namespace mlir;

namespace anybit {

/// The name of a layer: that of the ONNX node an op came from.
static std::string layerName(Location loc) {
  std::string name;
  loc->walk([&](Location inner) {
    if (auto named = dyn_cast<NameLoc>(inner)) {
      name = named.getName().str();
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return name;
}

VariantPlanner::Dispatch &VariantPlanner::addDispatch(const cpu::Kernel &kernel, Location loc,
                                                      ArrayRef<const Place *> used, double nanoseconds) {
  Dispatch dispatch{
      kernels.insert(kernel), layerName(loc), {}, kernel.grid, 0, cpu::claimOf(kernel.grid, nanoseconds), {}};
  if (!kernel.reason.empty())
    dispatch.choice = StringAttr::get(function.getContext(), kernel.reason);
  for (const Place *place : used) {
    dispatch.arguments.emplace_back(place->buffer, place->offset);
    Buffer &buffer = buffers[place->buffer];
    if (buffer.firstUse < 0)
      buffer.firstUse = dispatches.size();
    buffer.lastUse = dispatches.size();
  }
  return dispatches.emplace_back(std::move(dispatch));
}

/// Glue, which takes as long as what it reads and writes.
void VariantPlanner::addDispatch(const cpu::Kernel &kernel, Location loc, ArrayRef<const Place *> used) {
  constexpr double bytesInNanosecond = 16;
  double bytes = 0;
  for (const Place *place : used)
    bytes += double(extentBytes(place->view));
  addDispatch(kernel, loc, used, bytes / bytesInNanosecond);
}

void VariantPlanner::copy(const Place &from, const Place &to, Location loc) {
  OpBuilder builder = kernels.builder();
  addDispatch(cpu::buildCopyKernel(builder, from.view, to.view, target), loc, {&from, &to});
}

std::pair<Place, Place> VariantPlanner::slotPlaces(lowbit::ConvOp op, const Master &master) {
  auto take = [&](Value value) {
    Place place;
    auto type = cast<RankedTensorType>(value.getType());
    place.view = rowMajor(RankedTensorType::get(type.getShape(), type.getElementType()));
    Buffer buffer;
    buffer.kind = plan::ArgumentKind::Slot;
    buffer.bytes = extentBytes(place.view);
    buffer.offset = slotBytes;
    slotBytes += llvm::alignTo(buffer.bytes + ANYBIT_ALIGNMENT, ANYBIT_ALIGNMENT);
    place.buffer = addBuffer(buffer);
    return place;
  };
  Place weights = take(op.getWeights()), initial = take(op.getInitial());
  int64_t outputs = op.getOutputChannels(), groups = op.getGroups();
  bool flat = op.getKernel().size() == 1;
  SmallVector<int64_t> shape{outputs, cast<RankedTensorType>(op.getInput().getType()).getDimSize(1) / groups,
                             flat ? 1 : op.getKernel()[0], op.getKernel().back(), groups};
  Builder b(op.getContext());
  const char *data = reinterpret_cast<const char *>(master.scales.data());
  auto scalesType = RankedTensorType::get({int64_t(master.scales.size())}, b.getF32Type());
  FlatSymbolRefAttr scales = constants.insert(constantAttribute(scalesType, {data, data + 4 * master.scales.size()}));
  rebuilds.push_back({constants.insertMaster(master, shape, layerName(op.getLoc())), scales, op,
                      std::vector<float>(master.alpha, master.alpha + 4), buffers[weights.buffer].offset,
                      buffers[initial.buffer].offset});
  return {weights, initial};
}

LogicalResult VariantPlanner::planConv(lowbit::ConvOp op) {
  auto packed = cast<lowbit::PackedAttr>(cast<RankedTensorType>(op.getWeights().getType()).getEncoding());
  Place input =
      asWindowInput(op.getInput(), haloOf(op), fills.lookup(op.getInput()), packed.getTaps() > 1, op.getLoc());
  bool flat = input.view.shape.size() == 3;
  ArrayRef<int64_t> pads = op.getPads();
  int64_t back = pads[flat ? 0 : 1] * input.view.strides.back() + (flat ? 0 : pads[0] * input.view.strides[2]);
  input.offset -= back * input.view.elementBytes();
  Place weights, initial;
  if (std::optional<Master> master = Master::of(op.getWeights()))
    std::tie(weights, initial) = slotPlaces(op, *master);
  else
    weights = placeOf(op.getWeights());
  bool inSlot = buffers[weights.buffer].kind == plan::ArgumentKind::Slot;
  SmallVector<Place> rest;
  SmallVector<cpu::View> views{input.view};
  for (Value parameter : op.getParameters()) {
    Place place = placeOf(parameter);
    // Elements are read as registers of channels.
    if (place.view.shape.size() > 1)
      place = asWindowInput(parameter, {}, TypedAttr(), false, op.getLoc());
    rest.push_back(place);
  }
  for (Value result : op.getOutputs()) {
    Place place = placeOfResult(result);
    rest.push_back(place);
  }
  for (Place &place : rest)
    views.push_back(place.view);
  OpBuilder builder = kernels.builder();
  cpu::Kernel kernel = cpu::buildConvKernel(builder, op, views, target);
  SmallVector<const Place *> used{&input, &weights};
  if (op.getInitial()) {
    if (!inSlot)
      initial = placeOf(op.getInitial());
    used.push_back(&initial);
  }
  for (Place &place : rest)
    used.push_back(&place);
  auto out = cast<RankedTensorType>(op.getOutputs().front().getType());
  int64_t macs =
      out.getNumElements() * (cast<RankedTensorType>(op.getInput().getType()).getDimSize(1) / int64_t(op.getGroups()));
  for (int64_t size : op.getKernel())
    macs *= size;
  lowbit::ChoiceAttr choice = op.getChoice();
  // What was not measured, reals and depthwise layers, takes two products a lane and nanosecond, about 40 % of what a CPU does.
  double nanoseconds = choice ? double(choice.getNanoseconds()) : 0;
  Dispatch &dispatch =
      addDispatch(kernel, op.getLoc(), used, nanoseconds > 0 ? nanoseconds : double(macs) / (2 * target.lanes32()));
  dispatch.macs = macs;
  if (choice)
    dispatch.choice = builder.getStringAttr(choice.getReason());
  return success();
}

LogicalResult VariantPlanner::planGeneric(linalg::GenericOp op) {
  if (planned.contains(op) || planResize(op))
    return success();
  SmallVector<Place> all;
  SmallVector<TypedAttr> inits;
  SmallVector<Value> extracted;
  for (OpOperand *operand : op.getDpsInputOperands())
    all.push_back(placeOf(operand->get()));
  for (OpOperand &operand : op.getDpsInitsMutable()) {
    TypedAttr init;
    if (op.payloadUsesValueFromOperand(&operand)) {
      auto fill = operand.get().getDefiningOp<linalg::FillOp>();
      auto value = fill ? fill.getInputs()[0].getDefiningOp<arith::ConstantOp>() : arith::ConstantOp();
      if (!value)
        return op.emitOpError("accumulates onto a tensor that is not filled with a constant");
      init = value.getValue();
    }
    inits.push_back(init);
  }
  op.getBody()->walk([&](tensor::ExtractOp extract) {
    if (!llvm::is_contained(extracted, extract.getTensor()))
      extracted.push_back(extract.getTensor());
  });
  for (Value result : op.getResults())
    all.push_back(placeOfResult(result));
  for (Value tensor : extracted)
    all.push_back(placeOf(tensor));
  auto views = llvm::map_to_vector(all, [](const Place &place) { return place.view; });
  OpBuilder builder = kernels.builder();
  cpu::Kernel kernel = cpu::buildGenericKernel(builder, op, views, extracted, inits, target);
  addDispatch(kernel, op.getLoc(), llvm::map_to_vector(all, [](const Place &place) { return &place; }));
  return success();
}

LogicalResult VariantPlanner::planPool(msq::PoolOp op) {
  Place input = asWindowInput(op.getInput(), {}, TypedAttr(), false, op.getLoc());
  Place output = placeOfResult(op.getOutput());
  OpBuilder builder = kernels.builder();
  std::optional<cpu::Kernel> kernel;
  if (allowsHalide)
    kernel = cpu::buildHalidePoolKernel(builder, op, input.view, output.view, target);
  if (!kernel)
    kernel = cpu::buildPoolKernel(builder, op, input.view, output.view, target);
  addDispatch(*kernel, op.getLoc(), {&input, &output});
  return success();
}

LogicalResult VariantPlanner::planConcat(tensor::ConcatOp op) {
  if (!places.count(op.getResult()))
    placeOfResult(op.getResult());
  Place whole = places[op.getResult()];
  int64_t position = 0;
  for (Value input : op.getInputs()) {
    auto type = cast<RankedTensorType>(input.getType());
    SmallVector<int64_t> offsets(type.getRank(), 0), ones(type.getRank(), 1);
    offsets[op.getDim()] = position;
    position += type.getDimSize(op.getDim());
    if (parts.count(input) && !halos.count(input))
      continue; // computed in place
    copy(placeOf(input), viewOfSlice(whole, offsets, type.getShape(), ones, llvm::SmallBitVector(type.getRank())),
         op.getLoc());
  }
  return success();
}

LogicalResult VariantPlanner::planPad(tensor::PadOp op) {
  Value padding = op.getConstantPaddingValue();
  auto constant = padding ? padding.getDefiningOp<arith::ConstantOp>() : arith::ConstantOp();
  if (!constant)
    return op.emitOpError("pads with a value that is not constant");
  Place whole = placeOfResult(op.getResult());
  OpBuilder builder = kernels.builder();
  addDispatch(cpu::buildFillKernel(builder, whole.view, constant.getValue()), op.getLoc(), {&whole});
  ArrayRef<int64_t> shape = op.getSourceType().getShape();
  Place inside = viewOfSlice(whole, op.getStaticLow(), shape, SmallVector<int64_t>(shape.size(), 1),
                             llvm::SmallBitVector(shape.size()));
  copy(placeOf(op.getSource()), inside, op.getLoc());
  return success();
}

LogicalResult VariantPlanner::planView(Operation &op) {
  auto type = cast<RankedTensorType>(op.getResult(0).getType());
  Place source = placeOf(isa<linalg::TransposeOp>(op) ? cast<linalg::TransposeOp>(op).getInput() : op.getOperand(0));
  if (isa<tensor::BitcastOp>(op)) {
    source.halo = {};
    places[op.getResult(0)] = source;
    return success();
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    places[op.getResult(0)] = viewOfSlice(source, slice.getStaticOffsets(), slice.getStaticSizes(),
                                          slice.getStaticStrides(), slice.getDroppedDims());
    return success();
  }
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    places[transpose->getResult(0)] = viewOfTranspose(source, transpose.getPermutation());
    return success();
  }
  std::optional<Place> view = viewOfReshape(source, type);
  if (!view) {
    // Elements change their order: through a row-major copy.
    auto sourceType = cast<RankedTensorType>(op.getOperand(0).getType());
    Place dense;
    dense.view = rowMajor(sourceType);
    Buffer buffer;
    buffer.bytes = extentBytes(dense.view);
    dense.buffer = addBuffer(buffer);
    copy(source, dense, op.getLoc());
    view = viewOfReshape(dense, type);
  }
  places[op.getResult(0)] = *view;
  return success();
}

LogicalResult VariantPlanner::planReturn(func::ReturnOp op) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (outputs.count(operand.get()))
      continue; // computed there
    Place output;
    output.view = rowMajor(cast<RankedTensorType>(operand.get().getType()));
    Buffer buffer;
    buffer.kind = plan::ArgumentKind::Output;
    buffer.index = operand.getOperandNumber();
    buffer.bytes = extentBytes(output.view);
    output.buffer = addBuffer(buffer);
    copy(placeOf(operand.get()), output, op.getLoc());
  }
  return success();
}

LogicalResult VariantPlanner::plan(Operation &op) {
  if (isa<arith::ConstantOp, tensor::EmptyOp, linalg::FillOp>(op))
    return success(); // placed where they are used
  if (auto conv = dyn_cast<lowbit::ConvOp>(op))
    return planConv(conv);
  if (auto generic = dyn_cast<linalg::GenericOp>(op))
    return planGeneric(generic);
  if (auto pool = dyn_cast<msq::PoolOp>(op))
    return planPool(pool);
  if (auto concat = dyn_cast<tensor::ConcatOp>(op))
    return planConcat(concat);
  if (auto pad = dyn_cast<tensor::PadOp>(op))
    return planPad(pad);
  if (isa<tensor::BitcastOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::ExtractSliceOp,
          linalg::TransposeOp>(op))
    return planView(op);
  if (auto terminator = dyn_cast<func::ReturnOp>(op))
    return planReturn(terminator);
  return op.emitOpError("has no kernel");
}

void VariantPlanner::emit() {
  int64_t arena = assignOffsets(buffers);
  OpBuilder builder(function);
  auto variant = plan::VariantOp::create(builder, function.getLoc(), function.getName(), arena, slotBytes);
  builder.setInsertionPointToStart(&variant.getBody().front());
  for (Rebuild &rebuild : rebuilds) {
    auto packed = cast<lowbit::PackedAttr>(cast<RankedTensorType>(rebuild.op.getWeights().getType()).getEncoding());
    msq::FormatAttr format = *rebuild.op.getWeightFormat();
    bool isPlanes = lowbit::isInPlanes(packed.getFamily());
    plan::RebuildOp::create(builder, rebuild.op.getLoc(), rebuild.master.getValue(), rebuild.scales.getValue(),
                            rebuild.alpha, weightFormat(format), format.getBits(), packed.getColumns(),
                            packed.getBits(), packed.getTaps(), rebuild.op.getInputZero(), rebuild.weightOffset,
                            rebuild.initialOffset, isPlanes ? ANYBIT_ORDER_PLANES : ANYBIT_ORDER_STEPS,
                            isPlanes ? cpu::inputBits(rebuild.op) : 0, rebuild.op.getWeightZero());
  }
  for (const Dispatch &dispatch : dispatches) {
    SmallVector<Attribute> arguments;
    for (auto [index, offset] : dispatch.arguments) {
      const Buffer &buffer = buffers[index];
      arguments.push_back(plan::ArgumentAttr::get(builder.getContext(), buffer.kind, buffer.index,
                                                  buffer.offset + offset, buffer.symbol));
    }
    plan::DispatchOp::create(builder, function.getLoc(), dispatch.kernel, builder.getStringAttr(dispatch.layer),
                             builder.getI64IntegerAttr(dispatch.grid),
                             dispatch.claim ? builder.getI64IntegerAttr(*dispatch.claim) : IntegerAttr(),
                             builder.getArrayAttr(arguments), builder.getI64IntegerAttr(dispatch.macs),
                             dispatch.choice);
  }
}

LogicalResult VariantPlanner::run() {
  for (auto [i, argument] : llvm::enumerate(function.getArguments())) {
    Place place;
    place.view = rowMajor(cast<RankedTensorType>(argument.getType()));
    Buffer buffer;
    buffer.kind = plan::ArgumentKind::Input;
    buffer.index = i;
    buffer.bytes = extentBytes(place.view);
    place.buffer = addBuffer(buffer);
    places[argument] = place;
  }
  findHalos();
  findPitches();
  findParts();
  findOutputs();
  for (Operation &op : function.getBody().front())
    if (failed(plan(op)))
      return failure();
  emit();
  return success();
}

} // namespace anybit
