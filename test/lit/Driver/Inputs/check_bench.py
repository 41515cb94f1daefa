"""check_bench.py FILE NAMES LAYERS: the JSON of `anybit bench` has exactly the promised keys and sane numbers."""
import json
import sys

report = json.load(open(sys.argv[1]))
names, layers = sys.argv[2].split(","), int(sys.argv[3])
assert set(report) == {"cpu", "threads", "candidates", "arena_bytes", "artifact_bytes", "switch_ns", "layers"}, set(report)
assert set(report["cpu"]) == {"name", "features"} and report["cpu"]["name"]
assert [row["name"] for row in report["candidates"]] == names
for row in report["candidates"]:
    assert set(row) == {"name", "min_ms", "median_ms", "p99_ms", "weight_bytes"}, set(row)
    assert 0 < row["min_ms"] <= row["median_ms"] <= row["p99_ms"]
assert report["artifact_bytes"] > 0 and report["arena_bytes"] == 320
assert 0 < report["switch_ns"] < 1e6
assert len(report["layers"]) == layers
for row in report["layers"]:
    assert set(row) == {"candidate", "layer", "kernel", "family", "min_ms", "macs"}, set(row)
    assert 0 <= row["min_ms"] < 1e3
