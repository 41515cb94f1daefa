#include "anybit/Frontend/ONNX/Import.h"

#include "Emit.h"
#include "GraphImporter.h"
#include "Tensors.h"

#include "anybit/Dialect/Msq/IR/Msq.h"
#include "anybit/abi.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace anybit;
using namespace anybit::onnx;

/// Convention C1.
static constexpr StringLiteral candidateName = "candidate";

void anybit::onnx::loadImportDialects(MLIRContext &context) {
  context.loadDialect<arith::ArithDialect, func::FuncDialect, linalg::LinalgDialect, math::MathDialect,
                      tensor::TensorDialect, msq::MsqDialect>();
}

namespace {
/// The function around an imported graph: `main` with the candidate as an argument, or that of one candidate.
class FunctionImporter {
public:
  FunctionImporter(ModuleOp module, const Model &model, const ImportOptions &options, std::vector<Problem> &problems,
                   std::optional<size_t> candidate = std::nullopt)
      : model(model), options(options), problems(problems), candidate(candidate),
        builder(OpBuilder::atBlockEnd(module.getBody())), graph(builder, model, options.foldedBytes, problems) {}

  /// Null after a report.
  func::FuncOp run();
  /// Whether what was reported may be supported for every candidate alone.
  bool needsCandidate() const { return graph.needsCandidate; }

private:
  bool isCandidate(const ValueInfo &info) const { return !model.candidates.empty() && info.name == candidateName; }
  /// Type of an argument, or null after a report. A shape that no artifact has is reported too, but it is a type.
  RankedTensorType argumentType(const ValueInfo &info);
  std::optional<int64_t> dimensionOf(const ValueInfo &info, size_t index);
  void defineInput(const ValueInfo &info, BlockArgument argument);
  /// The value of an output, with the type it has outside.
  Value resultOf(const ValueInfo &info);
  void setArgumentAttributes(func::FuncOp function);
  void report(Problem::Kind kind, const Twine &text) { problems.push_back({kind, text.str()}); }

  const Model &model;
  const ImportOptions &options;
  std::vector<Problem> &problems;
  const std::optional<size_t> candidate;
  /// The inputs that are arguments of the function.
  SmallVector<const ValueInfo *> inputs;
  OpBuilder builder;
  GraphImporter graph;
};
} // namespace

/// Why no artifact takes or returns a tensor of this shape; empty if one can.
static std::string refusalOf(ArrayRef<int64_t> dims) {
  if (llvm::is_contained(dims, 0))
    return "is " + formatDims(dims) + "; tensors without elements are not supported, make every dimension at least 1";
  if (dims.size() > ANYBIT_MAX_RANK)
    return ("has rank " + Twine(dims.size()) + "; artifacts take and return at most rank " + Twine(ANYBIT_MAX_RANK) +
            ", merge some of its dimensions")
        .str();
  return "";
}

std::optional<int64_t> FunctionImporter::dimensionOf(const ValueInfo &info, size_t index) {
  const Dimension &dimension = info.dims[index];
  if (dimension.value)
    return dimension.value;
  std::string place = (info.name + ":" + Twine(index)).str();
  for (StringRef key : {StringRef(place), StringRef(dimension.name)})
    if (auto pinned = options.dims.find(key); !key.empty() && pinned != options.dims.end())
      return pinned->getValue();
  if (index == 0)
    return 1;
  report(Problem::Kind::Invalid, "input \"" + info.name + "\": dimension " + Twine(index) + " (" +
                                     (dimension.name.empty() ? "unnamed" : "\"" + dimension.name + "\"") +
                                     ") is free; pin it with --dim " +
                                     (dimension.name.empty() ? place : dimension.name) + "=SIZE");
  return std::nullopt;
}

RankedTensorType FunctionImporter::argumentType(const ValueInfo &info) {
  Type element = elementTypeOf(builder.getContext(), info.type);
  bool isSubByte = info.type != ElementType::Int8 && info.type != ElementType::UInt8 && element && element.isInteger(8);
  if (!element || isSubByte) {
    report(Problem::Kind::Unsupported, "input \"" + info.name + "\" is " + elementName(info.type) +
                                           ", expected float, int64, int32, int8, uint8 or bool");
    return {};
  }
  if (!info.hasShape) {
    report(Problem::Kind::Invalid, "input \"" + info.name + "\" has no shape; declare its rank in the file");
    return {};
  }
  SmallVector<int64_t> dims;
  for (size_t d = 0; d < info.dims.size(); ++d)
    if (std::optional<int64_t> size = dimensionOf(info, d))
      dims.push_back(*size);
  if (dims.size() != info.dims.size())
    return {};
  if (!countOf(dims)) {
    report(Problem::Kind::Invalid,
           "input \"" + info.name + "\": the shape " + formatDims(dims) + " is not one of at most 2^40 elements");
    return {};
  }
  if (isCandidate(info) && (!dims.empty() || info.type != ElementType::Int64)) {
    report(Problem::Kind::Invalid, "input \"candidate\" must be an int64 scalar (convention C1)");
    return {};
  }
  if (std::string refusal = refusalOf(dims); !refusal.empty())
    report(Problem::Kind::Unsupported, "input \"" + info.name + "\" " + refusal);
  return RankedTensorType::get(dims, info.type == ElementType::UInt8 ? builder.getIntegerType(8, false) : element);
}

void FunctionImporter::defineInput(const ValueInfo &info, BlockArgument argument) {
  Entry &entry = graph.entries[info.name];
  auto type = cast<RankedTensorType>(argument.getType());
  entry.state = refusalOf(type.getShape()).empty() ? Entry::State::Value : Entry::State::Poisoned;
  entry.value = argument;
  // Arithmetic is on signless types; the argument says how to read the bytes.
  if (info.type == ElementType::UInt8)
    entry.value = tensor::BitcastOp::create(builder, argument.getLoc(), type.clone(builder.getI8Type()), argument);
  entry.type = info.type;
  entry.dims.assign(type.getShape().begin(), type.getShape().end());
  entry.fromCandidate = isCandidate(info);
  entry.fromInput = !entry.fromCandidate;
}

Value FunctionImporter::resultOf(const ValueInfo &info) {
  Entry &entry = graph.entries[info.name];
  Location loc = NameLoc::get(builder.getStringAttr(info.name));
  if (entry.state == Entry::State::Poisoned)
    return {};
  if (entry.state == Entry::State::Missing) {
    report(Problem::Kind::Unsupported, "output \"" + info.name + "\" is an optional output that is not computed");
    return {};
  }
  if (info.type != ElementType::Undefined && info.type != entry.type) {
    report(Problem::Kind::Invalid, "output \"" + info.name + "\" is declared " + elementName(info.type) +
                                       ", but is computed as " + elementName(entry.type));
    return {};
  }
  if (std::string refusal = refusalOf(entry.dims); !refusal.empty()) {
    report(Problem::Kind::Unsupported, "output \"" + info.name + "\" " + refusal);
    return {};
  }
  Value value = graph.valueOf(info.name);
  if (!value) {
    report(Problem::Kind::Unsupported, "output \"" + info.name + "\" is " + elementName(entry.type) +
                                           ", expected float, int64, int32, int8, uint8 or bool");
    return {};
  }
  ImplicitLocOpBuilder b(loc, builder);
  bool isCopy = entry.state == Entry::State::Constant || isa<BlockArgument>(value);
  if (auto cast = value.getDefiningOp<tensor::BitcastOp>())
    isCopy |= isa<BlockArgument>(cast.getSource());
  if (isCopy)
    value = emitMap(b, {value}, tensorType(value), [](ImplicitLocOpBuilder &, ValueRange x) { return x[0]; });
  if (entry.type == ElementType::UInt8)
    value = tensor::BitcastOp::create(b, tensorType(value).clone(builder.getIntegerType(8, false)), value);
  return value;
}

void FunctionImporter::setArgumentAttributes(func::FuncOp function) {
  for (auto [i, info] : llvm::enumerate(inputs)) {
    function.setArgAttr(i, "anybit.name", builder.getStringAttr(info->name));
    if (isCandidate(*info))
      function.setArgAttr(i, "anybit.candidate", builder.getUnitAttr());
  }
  for (auto [i, info] : llvm::enumerate(model.graph.outputs))
    function.setResultAttr(i, "anybit.name", builder.getStringAttr(info.name));
  if (candidate)
    function->setAttr("anybit.candidate", builder.getStringAttr(model.candidates[*candidate]));
}

/// Erases what nothing uses: constants that were reshaped, nodes without a path to an output.
static void eraseDeadOps(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

func::FuncOp FunctionImporter::run() {
  size_t before = problems.size();
  Location loc = NameLoc::get(builder.getStringAttr(model.graph.name));
  SmallVector<Type> arguments;
  for (const ValueInfo &info : model.graph.inputs) {
    Type type = argumentType(info);
    if (candidate && isCandidate(info)) {
      graph.defineConstant(info.name, tensorOf(ElementType::Int64, {}, std::vector<int64_t>{int64_t(*candidate)}));
      continue;
    }
    arguments.push_back(type);
    inputs.push_back(&info);
  }
  if (llvm::is_contained(arguments, Type())) {
    graph.reportUnknownOperators(model.graph);
    return {};
  }
  StringRef name = candidate ? StringRef(model.candidates[*candidate]) : "main";
  auto function = func::FuncOp::create(builder, loc, name, builder.getFunctionType(arguments, {}));
  builder.setInsertionPointToEnd(function.addEntryBlock());
  for (auto [info, argument] : llvm::zip_equal(inputs, function.getArguments()))
    defineInput(*info, argument);
  (void)graph.importGraph(model.graph);
  SmallVector<Value> results;
  for (const ValueInfo &info : model.graph.outputs)
    results.push_back(resultOf(info));
  if (problems.size() != before)
    return {};
  func::ReturnOp::create(builder, loc, results);
  function.setType(builder.getFunctionType(arguments, ValueRange(results).getTypes()));
  setArgumentAttributes(function);
  eraseDeadOps(function.getBody().front());
  return function;
}

static OwningOpRef<ModuleOp> emptyModule(MLIRContext &context, const Model &model, const ImportOptions &options) {
  Builder builder(&context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(NameLoc::get(builder.getStringAttr(model.graph.name)));
  module.get()->setAttr("anybit.model", builder.getStringAttr(options.name.empty() ? model.graph.name : options.name));
  if (!model.candidates.empty()) {
    SmallVector<StringRef> names(model.candidates.begin(), model.candidates.end());
    module.get()->setAttr("anybit.candidates", builder.getStrArrayAttr(names));
  }
  return module;
}

/// Reports outputs that are of one type at the first candidate and of another here.
static void compareResults(const Model &model, func::FuncOp first, func::FuncOp other, std::vector<Problem> &problems) {
  for (auto [info, a, b] : llvm::zip_equal(model.graph.outputs, first.getResultTypes(), other.getResultTypes()))
    if (a != b)
      problems.push_back({Problem::Kind::Unsupported,
                          "output \"" + info.name + "\" is " + formatDims(cast<RankedTensorType>(a).getShape()) +
                              " at " + first.getName().str() + " and " +
                              formatDims(cast<RankedTensorType>(b).getShape()) + " at " + other.getName().str() +
                              "; give it one shape at all candidates"});
}

/// A function for each candidate, of a model whose shapes or branches depend on it (convention C4).
static OwningOpRef<ModuleOp> importCandidates(MLIRContext &context, const Model &model, const ImportOptions &options,
                                              std::vector<Problem> &problems) {
  OwningOpRef<ModuleOp> module = emptyModule(context, model, options);
  size_t before = problems.size();
  func::FuncOp first;
  for (size_t i = 0; i < model.candidates.size(); ++i) {
    func::FuncOp function = FunctionImporter(*module, model, options, problems, i).run();
    if (!function)
      return {};
    first = first ? first : function;
    compareResults(model, first, function, problems);
  }
  return problems.size() == before ? std::move(module) : OwningOpRef<ModuleOp>();
}

static OwningOpRef<ModuleOp> importFunctions(MLIRContext &context, const Model &model, const ImportOptions &options,
                                             std::vector<Problem> &problems) {
  OwningOpRef<ModuleOp> module = emptyModule(context, model, options);
  size_t before = problems.size();
  FunctionImporter importer(*module, model, options, problems);
  if (importer.run())
    return module;
  if (!importer.needsCandidate())
    return {};
  problems.resize(before);
  return importCandidates(context, model, options, problems);
}

OwningOpRef<ModuleOp> anybit::onnx::importModel(MLIRContext &context, const Model &model, const ImportOptions &options,
                                                std::vector<Problem> &problems) {
  loadImportDialects(context);
  std::string said;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { said += diagnostic.str() + "; "; });
  OwningOpRef<ModuleOp> module = importFunctions(context, model, options, problems);
  if (!module || succeeded(verify(*module)))
    return module;
  // Every handler checks what the verifier checks; if one forgets, say what and refuse.
  problems.push_back({Problem::Kind::Invalid, "the imported program does not verify: " + said});
  return {};
}
