"""What a training run shows and writes: a progress bar, a CSV file."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

FIELDS = ("epoch", "step", "candidate", "split", "loss", "accuracy", "learning_rate", "seconds")


class Log:
    """Rows of FIELDS, appended to a CSV file (None: kept in memory only) and kept in `rows`."""

    def __init__(self, path: "str | os.PathLike[str] | None") -> None:
        self.path, self.rows = path, []  # type: ignore[var-annotated]
        if path is not None and not os.path.exists(path):
            with open(path, "w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(FIELDS)

    def write(self, **values: Any) -> None:
        """One row; absent fields are empty."""
        row = {field: values.get(field, "") for field in FIELDS}
        self.rows.append(row)
        if self.path is not None:
            with open(self.path, "a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, FIELDS).writerow(row)


class Progress:
    """One line on a terminal that is rewritten at most ten times a second; nothing elsewhere."""

    def __init__(self, total: int, on: bool) -> None:
        self.total, self.on = total, on and sys.stderr.isatty()
        self._start = self._shown = time.monotonic()

    def show(self, done: int, text: str) -> None:
        """done: of `total` steps."""
        now = time.monotonic()
        if not self.on or (now - self._shown < 0.1 and done != self.total):
            return
        self._shown = now
        share = done / max(self.total, 1)
        left = (now - self._start) * (1 - share) / max(share, 1e-9)
        bar = "#" * int(30 * share)
        sys.stderr.write(f"\r[{bar:<30}] {done}/{self.total} {text} {left:5.0f} s left\033[K")
        sys.stderr.flush()

    def close(self) -> None:
        if self.on:
            sys.stderr.write("\n")


def table(rows: Mapping[str, Mapping[str, str]]) -> str:
    """Rows (name -> column -> text) as a Markdown table."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(row.get(column, "") for column in columns) + " |"
              for name, row in rows.items()]
    return "\n".join(lines)
