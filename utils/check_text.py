#!/usr/bin/env python3
"""Checks every text that git sees for what is never right: absolute paths of one machine, files above 600 lines, tool
mains above 60, promises without an address, trailing blanks."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = {".h", ".c", ".cpp", ".td", ".py", ".mlir", ".txt", ".cmake", ".md", ".sh", ".json", ".def"}
CODE = {".h", ".c", ".cpp", ".td", ".py"}
# Split so that this file does not find itself.
FORBIDDEN = [
    (re.compile(r"(?<![\w.])/" + r"(home|root|work)/\w"), "an absolute path of one machine"),
    (re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b(?!\(#\d+\))"), "a promise without an issue number"),
    (re.compile(r"[ \t]+$"), "trailing blanks"),
]
FILE_LINES, MAIN_LINES = 600, 60


def listed_files():
    """Tracked files and new ones that git does not ignore."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True)
    paths = [ROOT / name for name in out.stdout.decode().splitlines()]
    return [p for p in paths if p.suffix in SOURCES and p.is_file()]


def check(path):
    """All complaints about one file."""
    relative = path.relative_to(ROOT).as_posix()
    lines = path.read_text().splitlines()
    limit = MAIN_LINES if re.fullmatch(r"tools/[^/]+/[^/]+\.cpp", relative) else FILE_LINES
    found = []
    if path.suffix in CODE and len(lines) > limit:
        found.append(f"{relative}: has {len(lines)} lines, the limit is {limit}: split it")
    for number, line in enumerate(lines, 1):
        found += [f"{relative}:{number}: {words}" for pattern, words in FORBIDDEN if pattern.search(line)]
    return found


def main():
    files = listed_files()
    lines = [line for path in files for line in check(path)]
    print("\n".join(lines or [f"{len(files)} files are in order"]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
