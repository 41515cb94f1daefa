//===- Candidates.h - convention C1 and C2 ----------------------*- C++ -*-===//
#ifndef ANYBIT_LIB_FRONTEND_ONNX_CANDIDATES_H
#define ANYBIT_LIB_FRONTEND_ONNX_CANDIDATES_H

#include "Diagnostics.h"
#include "anybit/Frontend/ONNX/Loader.h"

namespace anybit::onnx {

/// Fills model.candidates from the metadata and checks the input and the tables that must agree with it.
void readCandidates(Model &model, const Limits &limits, Diagnostics &diagnostics);

} // namespace anybit::onnx

#endif // ANYBIT_LIB_FRONTEND_ONNX_CANDIDATES_H
