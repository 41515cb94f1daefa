#!/usr/bin/env python3
"""generate_docs.py [--check] [--anybit ANYBIT] TBLGEN INCLUDE..: docs/reference/ from the TableGen files and the driver.

TBLGEN is mlir-tblgen, INCLUDE the folders of MLIR's and our .td files, ANYBIT the driver. With --check nothing is
written, and pages that differ are an error.
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"


def output(command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def tidy(text):
    """Without trailing blanks and repeated empty lines, which mlir-tblgen leaves behind."""
    text = "\n".join(line.rstrip() for line in text.splitlines() if line.strip() != "[TOC]")
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def make_pages(args):
    """Name of every page -> its text."""
    include = [word for folder in args.include for word in ("-I", folder)]
    pages = {}
    for ops in sorted((ROOT / "include/anybit/Dialect").glob("*/IR/*Ops.td")):
        name = ops.parent.parent.name
        if ops.name == f"{name}Ops.td":
            command = [args.tblgen, "-gen-dialect-doc", f"-dialect={name.lower()}", *include, ops]
            pages[f"{name.lower()}.md"] = tidy(output(command))
    for passes in sorted((ROOT / "include/anybit").rglob("Passes.td")):
        room = passes.parent.relative_to(ROOT / "include/anybit").as_posix()
        text = tidy(output([args.tblgen, "-gen-pass-doc", *include, passes]))
        pages[f"passes-{room.lower().replace('/', '-')}.md"] = f"# Passes of {room}\n\n{text}"
    if args.anybit:
        pages["supported-ops.md"] = "# ONNX operators\n\n" + tidy(output([args.anybit, "supported-ops", "--markdown"]))
    return pages


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--anybit")
    parser.add_argument("tblgen")
    parser.add_argument("include", nargs="+")
    args = parser.parse_args()
    stale = []
    for name, text in make_pages(args).items():
        page = PAGES / name
        if page.exists() and page.read_text() == text:
            continue
        stale.append(f"docs/reference/{name}")
        if not args.check:
            PAGES.mkdir(parents=True, exist_ok=True)
            page.write_text(text)
    if args.check and stale:
        print(f"out of date: {', '.join(stale)}; run make docs")
        return 1
    print(f"{'checked' if args.check else 'wrote'} docs/reference/: {', '.join(stale) or 'up to date'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
