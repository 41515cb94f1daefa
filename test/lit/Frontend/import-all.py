"""Imports every model below a folder of test data and says which fail: import-all.py DATA IMPORTER."""
import pathlib
import subprocess
import sys

PINS = {"ppocr_cls_mobilenetv3": ["--dim", "p2o.DynamicDimension.1=48", "--dim", "p2o.DynamicDimension.2=192"]}

models = sorted(pathlib.Path(sys.argv[1], "models").rglob("*.onnx"))
failed = []
for model in models:
    command = [sys.argv[2], "--elide", str(model), *PINS.get(model.stem, [])]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0 or "func.func @main" not in run.stdout:
        failed.append(f"{model.name}: exit code {run.returncode}\n{run.stderr}")
print("\n".join(failed))
sys.exit(bool(failed) or not models)
