"""docs/performance.md and its plots, from the figures in bench/results/peers and nothing else."""

from __future__ import annotations

import json
import pathlib
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results" / "peers"
PAGE = ROOT / "docs" / "performance.md"
OURS = ("f32", "w8a8", "w4a4", "w2a2", "w1a4", "w1a1")
PEERS = ("ONNX Runtime f32", "ONNX Runtime int8", "OpenVINO int8", "LiteRT int8", "IREE f32", "IREE int8", "TVM f32")
# title, our column, the peer's column, the most that the ratio may be
BOUNDS = (("w8a8 ÷ OpenVINO", "w8a8", "OpenVINO int8", 1.), ("w8a8 ÷ ONNX Runtime", "w8a8", "ONNX Runtime int8", .8),
          ("w8a8 ÷ LiteRT", "w8a8", "LiteRT int8", .8), ("f32 ÷ ONNX Runtime", "f32", "ONNX Runtime f32", 1.15))
# How many times as fast two threads are at least, w8a8.
TWO_THREADS = {"resnet18": 1.8, "resnet50": 1.8, "mobilenetv2": 1.6}
TINY = ("kws", "resnet8", "vww", "ad")
HEAD = """# Performance

Whole networks, one sample, beside other engines, in ms. Written by `bench/peers.py` from `bench/results/peers`, the
latest figures of each CPU. Engines run in processes of their own and take turns of 0.15 s on the same machine; a figure
is the least of all turns, which a machine that also does other work disturbs least of all; compare figures of one row,
not of different rows. The last column of two threads does that: it is worth something where one call of `peers.py` measured
both rows (else see `bench/threads.py`). `load` is the number of processes that ran or waited, ours among them, when a row ended.

OpenVINO and IREE int8 compute the QDQ file of ONNX Runtime's own quantizer; LiteRT computes the int8 files of MLPerf
Tiny, which others trained and quantized. ResNet-18, ResNet-50 and MobileNetV1 have random weights. Ours are the C
interface, first and last layers of all candidates at 8 bits; the others are the call of their Python package that does
least. TVM is compiled by its default pipeline, without tuning. In brackets: the largest ratio that is good enough. At `avx2`
OpenVINO multiplies with saturation and gives other results than elsewhere, ours are exact (docs/kernels.md, `conv-dot4`).
"""


def write_page() -> None:
    """Writes the page and a plot for each CPU."""
    parts = [HEAD]
    for path in sorted(RESULTS.glob("*.json")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        parts += _machine(kept)
        plot = PAGE.parent / "performance" / f"{path.stem}.svg"
        if _plot(kept, plot):
            parts += [f"![ms relative to ONNX Runtime int8](performance/{plot.name})", ""]
    PAGE.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


def _number(cells: dict[str, Any], column: str) -> float | None:
    value = cells.get(column)
    return value if isinstance(value, float) else None


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _ratio(cells: dict[str, Any], own: str, other: str, bound: float) -> str:
    ours, theirs = _number(cells, own), _number(cells, other)
    if not ours or not theirs:
        return ""
    return f"{ours / theirs:.2f}" if ours <= bound * theirs else f"**{ours / theirs:.2f}**"


def _table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """Markdown without the columns that are empty in every row."""
    full = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    line = lambda cells: "| " + " | ".join(cells[i] for i in full) + " |"  # noqa: E731
    return [line(columns), "|" + "---|" * len(full), *map(line, rows), ""]


def _machine(kept: dict[str, Any]) -> list[str]:
    lines = [f"## {kept['cpu']}, {kept['cores']} cores", "",
             ", ".join(f"{name} {version}" for name, version in kept["versions"].items()) + ".", ""]
    for threads, networks in sorted(kept["figures"].items()):
        lines += [f"### {threads} thread{'s' if int(threads) > 1 else ''}", ""]
        for group in ([n for n in networks if n not in TINY], [n for n in networks if n in TINY]):
            lines += _native(networks, group, kept["figures"]["1"] if threads != "1" else {}) + _levels(networks, group)
    return [*lines, *_skipped(kept)]


def _faster(name: str, cells: dict[str, Any], single: dict[str, Any]) -> str:
    """How many times as fast w8a8 is as on one thread."""
    here, alone = (_number(row, "native/w8a8") for row in (cells, single.get(name, {"ms": {}})["ms"]))
    if not here or not alone:
        return ""
    least = TWO_THREADS.get(name)
    ratio = f"{alone / here:.2f}" if not least or alone >= least * here else f"**{alone / here:.2f}**"
    return ratio + (f" (≥ {least:g})" if least else "")


def _native(networks: dict[str, Any], names: list[str], single: dict[str, Any]) -> list[str]:
    """All instruction sets of the machine; `single`: the figures of one thread, for those of more."""
    rows = []
    for name in names:
        cells = networks[name]["ms"]
        if not any(column.startswith("native/") for column in cells):
            continue
        rows.append([name, *(_text(_number(cells, f"native/{c}")) for c in (*OURS, *PEERS)),
                     *(_ratio(cells, f"native/{own}", f"native/{other}", bound) for _, own, other, bound in BOUNDS),
                     _faster(name, cells, single), f"{networks[name]['load']}", networks[name]["date"]])
    titles = [f"{title} (≤ {bound:g})" for title, _, _, bound in BOUNDS]
    return _table(["network", *OURS, *PEERS, *titles, "w8a8, times as fast as one thread", "load", "date"], rows) if rows else []


def _levels(networks: dict[str, Any], names: list[str]) -> list[str]:
    """Beside OpenVINO at equal instruction sets."""
    rows = []
    for name in names:
        cells = networks[name]["ms"]
        for level in dict.fromkeys(column.split("/")[0] for column in cells):
            if level == "native":
                continue
            rows.append([name, level, *(_text(_number(cells, f"{level}/{c}")) for c in (*OURS[1:], "OpenVINO int8")),
                         _ratio(cells, f"{level}/w8a8", f"{level}/OpenVINO int8", 1.),
                         *(_ratio(cells, f"{level}/{c}", f"{level}/w8a8", 1.) for c in OURS[2:])])
    columns = ["network", "instruction set", *OURS[1:], "OpenVINO int8", "w8a8 ÷ OpenVINO (≤ 1)"]
    return _table([*columns, *(f"{c} ÷ w8a8" for c in OURS[2:])], rows) if rows else []


def _skipped(kept: dict[str, Any]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for threads, networks in kept["figures"].items():
        for name, row in networks.items():
            for column, reason in row["ms"].items():
                if isinstance(reason, str):
                    reasons.setdefault(f"{column}: {reason}", []).append(f"{name} ({threads})")
    lines = [f"* {reason.replace('|', '/')} — {', '.join(where)}" for reason, where in reasons.items()]
    return ["Not measured, network (threads):", "", *lines, ""] if lines else []


def _plot(kept: dict[str, Any], path: pathlib.Path) -> bool:
    """Bars of ms relative to ONNX Runtime int8, a panel for each number of threads; False without matplotlib."""
    try:
        import matplotlib
        matplotlib.use("svg")
        from matplotlib import pyplot
    except ImportError:
        return path.exists()
    matplotlib.rcParams.update({"svg.hashsalt": "anybit", "svg.fonttype": "none", "font.size": 8})
    columns = [f"native/{c}" for c in ("ONNX Runtime int8", "OpenVINO int8", "LiteRT int8", *OURS[1:])]
    figures = sorted(kept["figures"].items())
    figure, panels = pyplot.subplots(len(figures), 1, figsize=(8, 2.4 * len(figures)), squeeze=False)
    for panel, (threads, networks) in zip(panels[:, 0], figures):
        names = [n for n in networks if _number(networks[n]["ms"], columns[0])]
        for index, column in enumerate(columns):
            heights = [(_number(networks[n]["ms"], column) or 0) / networks[n]["ms"][columns[0]] for n in names]
            panel.bar([at + index / (len(columns) + 1.) for at in range(len(names))], heights,
                      1 / (len(columns) + 1.), label=column.split("/")[1])
        panel.set_xticks([at + .4 for at in range(len(names))], names)
        panel.set_ylabel(f"{threads} thread{'s' if int(threads) > 1 else ''}")
        panel.set_ylim(0, 2)
    panels[0, 0].legend(ncols=4, fontsize=6)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)
    return True
