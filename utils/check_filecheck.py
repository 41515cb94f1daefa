#!/usr/bin/env python3
"""Checks that lit tests can fail: CHECK lines are read by a FileCheck, -verify-diagnostics has something to expect."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent / "test" / "lit"
SUFFIXES = {".mlir", ".test", ".onnxtxt", ".td"}
RUN = re.compile(r"(?:RUN|DEFINE): (.*)")
DIRECTIVE = re.compile(r"^\s*(?://|#|;)?\s*([A-Z][A-Z0-9_-]*?)(?:-(?:NEXT|SAME|NOT|DAG|LABEL|EMPTY|COUNT-\d+))?:", re.MULTILINE)
PREFIXES = re.compile(r"--?check-prefix(?:es)?[= ]([A-Za-z0-9_,-]+)")
LIT_WORDS = {"RUN", "REQUIRES", "UNSUPPORTED", "XFAIL", "DEFINE", "REDEFINE", "END", "ALLOW_RETRIES", "NOTE", "COM",
             "METADATA"}  # the last one is read by test/lit/Frontend/make-model.py


def read_prefixes(runs):
    """The prefixes that the RUN lines make FileCheck read."""
    found = set()
    for command in runs.replace("\\\n", " ").split("FileCheck")[1:]:
        command = re.split(r"[|\n]", command)[0]
        match = PREFIXES.search(command)
        found |= set(match[1].split(",")) if match else {"CHECK"}
    return found


def check(path):
    """All complaints about one test."""
    text = path.read_text()
    runs = "\n".join(RUN.findall(text))
    if not runs:
        return ["has no RUN line"]
    lines = []
    written = {word for word in DIRECTIVE.findall(text)} - LIT_WORDS
    read = read_prefixes(runs)
    lines += [f"has {word} lines that no FileCheck reads" for word in sorted(written - read)]
    lines += [f"runs FileCheck for {word}, but has no such line" for word in sorted(read - written)]
    if re.search(r"-verify-diagnostics\b", runs) and not re.search(r"expected-(error|warning|remark|note)", text):
        lines.append("runs -verify-diagnostics, but expects nothing")
    return lines


def main():
    tests = [p for p in sorted(ROOT.rglob("*")) if p.suffix in SUFFIXES and "Inputs" not in p.parts]
    lines = [f"{p.relative_to(ROOT)}: {line}" for p in tests for line in check(p)]
    print("\n".join(lines or [f"{len(tests)} tests can fail"]))
    return 1 if lines or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
