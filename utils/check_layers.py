#!/usr/bin/env python3
"""Checks every include of the product against the room table of docs/architecture.md ("Rooms", "Direction").

A room is a folder of lib/ with its mirror in include/anybit/. Every violation is printed; exit code 1 if there is one.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Room -> rooms that it may include, besides itself and the contract headers. The longest matching room wins.
ROOMS = {
    "Support": [],
    "Analysis": ["Support", "Dialect/Msq/IR", "Dialect/Lowbit/IR", "Dialect/Plan/IR"],
    "Dialect/Msq/IR": ["Support"],
    "Dialect/Lowbit/IR": ["Support", "Dialect/Msq/IR"],
    "Dialect/Plan/IR": ["Support"],
    "Dialect/Msq/Transforms": ["Support", "Analysis", "Dialect/Msq/IR"],
    "Dialect/Lowbit/Transforms": ["Support", "Analysis", "Dialect/Msq/IR", "Dialect/Lowbit/IR"],
    "Dialect/Plan/Transforms": ["Support", "Analysis", "Dialect/Plan/IR"],
    "Halide": ["Support"],
    "Data": ["Support", "Halide"],
    "Target": ["Support", "Analysis", "Dialect", "Halide", "Runtime"],
    "Transforms": ["Support", "Analysis", "Dialect", "Target"],
    "Conversion": ["Support", "Analysis", "Dialect", "Target"],
    "Frontend/ONNX": ["Support", "Dialect/Msq/IR"],
    "Pipelines": ["Support", "Analysis", "Dialect", "Conversion", "Transforms", "Frontend", "Halide", "Target"],
    "Quantize": ["Support", "Data", "Frontend", "Pipelines", "Runtime"],
    "Tune": ["Support", "Dialect", "Pipelines", "Runtime", "Target"],
    "Driver": ["Support", "Data", "Frontend", "Pipelines", "Quantize", "Tune", "Runtime", "Target"],
    "tools": ["Driver", "Pipelines", "Frontend"],
    "Runtime": [],
}
# What compiler and runtime share: everyone may include these. The rest of runtime/include is the room "Runtime".
CONTRACT = {"anybit/abi.h", "anybit/weights.h"}
PRODUCT = ["include", "lib", "runtime/include", "runtime/lib", "tools"]
SUFFIXES = {".h", ".c", ".cpp", ".td", ".def"}
INCLUDE = re.compile(r'^\s*#?\s*include\s+[<"]([^>"]+)[>"]')
FOREIGN_TO_RUNTIME = re.compile(r"^(llvm|mlir|clang|lld)(-c)?/")
TEST_CODE = re.compile(r"^(gtest|gmock|benchmark)/|(^|/)test/")


def room_of(path):
    """The longest room that `path` (relative to lib/ or include/anybit/) lies in, or None."""
    folder = path.rsplit("/", 1)[0] + "/"
    matches = [room for room in ROOMS if folder.startswith(room + "/")]
    return max(matches, key=len, default=None)


def room_of_file(relative):
    """The room that owns a file of the product; None for aggregators at the top of include/anybit."""
    if relative.startswith("runtime/"):
        return "Runtime"
    if relative.startswith("tools/"):
        return "tools"
    return room_of(re.sub(r"^(lib|include/anybit)/", "", relative))


def room_of_include(target):
    """The room that an `anybit/...` header belongs to, "" for the contract, None if no room has it."""
    if target in CONTRACT:
        return ""
    if (ROOT / "runtime/include" / target).exists():
        return "Runtime"
    return room_of(target[len("anybit/"):])


def complaint(room, target):
    """Why `room` may not include `target`, or None."""
    if TEST_CODE.search(target):
        return "product code includes test code"
    if room == "Runtime" and FOREIGN_TO_RUNTIME.match(target):
        return "the runtime includes no LLVM"
    if not target.startswith("anybit/"):
        return None
    owner = room_of_include(target)
    if owner is None:
        return "this header is in no room of the table in utils/check_layers.py"
    if owner in ("", room):
        return None
    allowed = ROOMS[room]
    if any(owner == other or owner.startswith(other + "/") for other in allowed):
        return None
    return f"{room} may use only {', '.join(allowed) or 'itself'}, not {owner}"


def check(path):
    """All complaints about one file, as printable lines."""
    relative = path.relative_to(ROOT).as_posix()
    room = room_of_file(relative)
    if room is None:
        return [f"{relative}: lies in no room of the table in utils/check_layers.py"]
    lines = []
    for number, text in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(text)
        reason = complaint(room, match[1]) if match else None
        if reason:
            lines.append(f"{relative}:{number}: includes {match[1]}: {reason}")
    return lines


def main():
    files = [p for top in PRODUCT for p in sorted((ROOT / top).rglob("*")) if p.suffix in SUFFIXES and p.is_file()]
    lines = [line for path in files for line in check(path)]
    print("\n".join(lines or [f"{len(files)} files keep to the rooms"]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
