"""Turns the textual form of ONNX (onnx.parser) into a file: make-model.py TEXT -o FILE.

Lines that begin with // are for lit and FileCheck. `// METADATA: KEY=VALUE` sets a property of the model.
"""
import argparse
import pathlib

import onnx
import onnx.parser

arguments = argparse.ArgumentParser()
arguments.add_argument("text", type=pathlib.Path)
arguments.add_argument("-o", dest="output", required=True)
options = arguments.parse_args()

lines = options.text.read_text(encoding="utf-8").splitlines()
model = onnx.parser.parse_model("\n".join(line for line in lines if not line.startswith("//")))
for line in lines:
    if line.startswith("// METADATA:"):
        key, _, value = line.removeprefix("// METADATA:").strip().partition("=")
        model.metadata_props.add(key=key, value=value)
onnx.save(model, options.output)
