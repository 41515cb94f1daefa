"""Compiles an ONNX file with TVM's default pipeline: python peer_tvm.py MODEL.onnx OUT.so DIM..."""

from __future__ import annotations

import sys

import onnx
import tvm
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx

source, out, *shape = sys.argv[1:]
model = onnx.load(source)
constants = {constant.name for constant in model.graph.initializer}
name = next(value.name for value in model.graph.input if value.name not in constants)
module = from_onnx(model, shape_dict={name: [int(size) for size in shape]}, keep_params_in_input=False)
cpu = tvm.target.codegen.llvm_get_system_cpu()
relax.build(module, target=tvm.target.Target({"kind": "llvm", "mcpu": cpu})).export_library(out)
