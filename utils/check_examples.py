#!/usr/bin/env python3
"""check_examples.py ANYBIT_OPT: the examples in the descriptions of our ops are modules that anybit-opt accepts.

An example is a block ```mlir of a .td file. Every op has one of its own, in which it occurs.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIALECTS = ROOT / "include/anybit/Dialect"
BLOCK = re.compile(r"^ *```mlir\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
# `def Msq_SelectOp : Msq_Op<"select"...`; a definition ends where the next begins.
DEFINITION = re.compile(r"^def ", re.MULTILINE)
OP = re.compile(r'(\w+?)_\w+Op : \w+<"(\w+)"')


def parse(tool, text, start, end):
    """What anybit-opt makes of text[start:end] in generic form, and its messages, at the lines that text has."""
    # The round trip prints and reads the example again, as text and as bytecode.
    run = subprocess.run([tool, "--verify-roundtrip", "--mlir-print-op-generic"], capture_output=True, text=True,
                         input="\n" * text.count("\n", 0, start) + text[start:end])
    return run.stdout, [] if run.returncode == 0 else run.stderr.splitlines() or [f"ends with {run.returncode}"]


def check(tool, path):
    """Names of a file's ops, number of its examples, all complaints."""
    relative, text = path.relative_to(ROOT).as_posix(), path.read_text()
    ops, count, found = [], 0, []
    starts = [0, *(match.end() for match in DEFINITION.finditer(text)), len(text)]
    for begin, end in zip(starts, starts[1:]):
        op = OP.match(text, begin, end)
        name = f"{op[1].lower()}.{op[2]}" if op else None
        is_shown, is_sound = False, True
        for block in BLOCK.finditer(text, begin, end):
            printed, messages = parse(tool, text, *block.span(1))
            found += [line.replace("<stdin>", relative) for line in messages]
            is_shown |= f'"{name}"(' in printed
            is_sound &= not messages
            count += 1
        ops += [name] if name else []
        if name and is_sound and not is_shown:
            found.append(f"{relative}:{text.count(chr(10), 0, begin) + 1}: {name} has no example that contains it")
    return ops, count, found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    results = [check(sys.argv[1], path) for path in sorted(DIALECTS.rglob("*.td"))]
    ops = [name for names, _, _ in results for name in names]
    lines = [line for _, _, found in results for line in found]
    print("\n".join(lines or [f"{sum(count for _, count, _ in results)} examples of {len(ops)} ops are in order"]))
    return 1 if lines or not ops else 0


if __name__ == "__main__":
    sys.exit(main())
