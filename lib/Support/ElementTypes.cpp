#include "anybit/Support/ElementTypes.h"

#include "llvm/ADT/STLExtras.h"

using namespace anybit;

static constexpr ElementTypeInfo table[] = {
    {0, 0, "undefined", "undefined"}, {1, 4, "float", "float32"},    {2, 1, "uint8", "uint8"},
    {3, 1, "int8", "int8"},           {4, 2, "uint16", "uint16"},    {5, 2, "int16", "int16"},
    {6, 4, "int32", "int32"},         {7, 8, "int64", "int64"},      {8, 0, "string", "string"},
    {9, 1, "bool", "bool"},           {10, 2, "float16", "float16"}, {11, 8, "double", "float64"},
    {12, 4, "uint32", "uint32"},      {13, 8, "uint64", "uint64"},   {16, 2, "bfloat16", "bfloat16"},
    {21, 1, "uint4", "uint4"},        {22, 1, "int4", "int4"},       {25, 1, "uint2", "uint2"},
    {26, 1, "int2", "int2"},
};

const ElementTypeInfo *anybit::findElementType(int32_t number) {
  const auto *found = llvm::find_if(table, [&](const ElementTypeInfo &info) { return info.number == number; });
  return found == std::end(table) ? nullptr : found;
}
