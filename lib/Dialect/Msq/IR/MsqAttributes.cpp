#include "anybit/Dialect/Msq/IR/Msq.h"

#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace anybit::msq;

Attribute FormatAttr::parse(AsmParser &parser, Type) {
  StringRef keyword;
  unsigned bits = 0;
  if (parser.parseLess() || parser.parseKeyword(&keyword) || parser.parseComma() || parser.parseInteger(bits))
    return {};
  std::optional<FormatKind> kind = symbolizeFormatKind(keyword);
  if (!kind) {
    parser.emitError(parser.getNameLoc(), "expected a format kind: signed, unsigned or odd, got ") << keyword;
    return {};
  }
  bool narrow = succeeded(parser.parseOptionalComma());
  if ((narrow && parser.parseKeyword("narrow")) || parser.parseGreater())
    return {};
  return parser.getChecked<FormatAttr>(parser.getContext(), *kind, bits, narrow);
}

void FormatAttr::print(AsmPrinter &printer) const {
  printer << '<' << stringifyFormatKind(getKind()) << ", " << getBits();
  if (getNarrow())
    printer << ", narrow";
  printer << '>';
}

LogicalResult FormatAttr::verify(function_ref<InFlightDiagnostic()> emitError, FormatKind kind, unsigned bits,
                                 bool narrow) {
  if (bits < 1 || bits > 8)
    return emitError() << "a format has 1 to 8 bits, got " << bits; // numerics N2
  if (narrow && (kind == FormatKind::Odd || bits < 2))
    return emitError() << "narrow needs a signed or unsigned format of at least 2 bits"; // numerics N2
  return success();
}

int64_t FormatAttr::lowestCode() const {
  int64_t lowest = getKind() == FormatKind::Signed ? -(int64_t(1) << (getBits() - 1)) : 0;
  return lowest + (getNarrow() ? 1 : 0);
}

int64_t FormatAttr::highestCode() const {
  return getKind() == FormatKind::Signed ? (int64_t(1) << (getBits() - 1)) - 1 : (int64_t(1) << getBits()) - 1;
}
