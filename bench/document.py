"""docs/evidence.md as tables by section and model, so that a run replaces only what it measured."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass, field

Row = list[str]


@dataclass
class Table:
    """words: the paragraph under the title. rows: by model; the first cell of a model's first row is its name."""

    columns: Row
    words: str = ""
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def lines(self, order: list[str]) -> list[str]:
        """Markdown; models in ``order``, unknown ones behind them."""
        names = [name for name in order if name in self.rows] + [name for name in self.rows if name not in order]
        lines = [self.words, ""] if self.words else []
        lines += [_line(self.columns), f"|{'---|' * len(self.columns)}"]
        return lines + [_line(row) for name in names for row in self.rows[name]]


def _line(cells: Row) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(line: str) -> Row:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def read(path: pathlib.Path) -> dict[str, Table]:
    """The tables of a document by title; an absent document has none."""
    tables: dict[str, Table] = {}
    if not path.exists():
        return tables
    for part in path.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, *lines = part.splitlines()
        rows = [_cells(line) for line in lines if line.startswith("|")]
        if len(rows) < 2:
            continue
        table = tables[title.strip()] = Table(rows[0])
        model = ""
        for row in rows[2:]:
            model = row[0].split()[0] if row[0] else model  # Words behind a name say how its rows were measured.
            table.rows.setdefault(model, []).append(row)
    return tables


def write(path: pathlib.Path, head: str, titles: list[str], tables: dict[str, Table], order: list[str]) -> None:
    """``head`` stands under the title; sections come in the order of ``titles``, those not measured are left out."""
    lines = ["# Evidence", "", head]
    for title in titles:
        if title in tables and tables[title].rows:
            lines += ["", f"## {title}", "", *tables[title].lines(order)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
