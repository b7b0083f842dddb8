"""Runs that are read again: what was saved, and every damage to it."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.benchmarks.report.test_text import GOOD
from tests.conftest import DATA
from yolact_deploy.benchmarks.regression.comparison import compare_runs
from yolact_deploy.benchmarks.regression.saved import MAX_FILE_BYTES, read_saved, saved_run
from yolact_deploy.benchmarks.report.json_report import to_json
from yolact_deploy.benchmarks.report.tables import comparison_table
from yolact_deploy.benchmarks.report.wording import comparison_notes, comparison_summary
from yolact_deploy.errors import DataError


def test_a_run_read_again_is_the_run(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(to_json(GOOD)))
    run = read_saved(path)
    assert run == saved_run(to_json(GOOD))
    saved = run.models["net.onnx"]
    found = {name: (quantity.value, quantity.rounds) for name, quantity in saved.quantities.items()}
    assert found["end to end"] == (20.0, (20.0, 20.5))
    assert found["throughput"] == (48.0, (47.0, 49.0))
    assert [found[name][0] for name in ("box AP", "mask AP", "matched", "peak memory")] == [50, 25, 99.9, 300]
    assert run.date == "2026-01-01T00:00:00"


def test_a_file_of_format_2_is_compared(tmp_path: Path) -> None:
    """Written by version 0.1.0."""
    run = read_saved(DATA / "bench/format2.json")
    comparison = compare_runs(run, run, "old.json", 0.05)
    assert comparison.passed
    (changes,) = comparison.models
    assert {"end to end", "throughput", "network", "peak memory", "box AP"} <= {item.what for item in changes.changes}
    assert {change.verdict for change in changes.changes} == {"no change"}


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(DataError, match="is larger than 256 MiB"):
        read_saved(tmp_path / "large.json")


def damaged(change: Callable[[Any], object]) -> str:
    value = json.loads(json.dumps(to_json(GOOD)))
    change(value)
    return json.dumps(value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not JSON, or damaged"),
        ('{"format": 2,', "is not JSON, or damaged"),
        ("[" * 100_000, "is not JSON, or damaged"),
        ("[]", "is not the JSON of a benchmark"),
        ('{"images": []}', "is not the JSON of a benchmark"),
        (damaged(lambda value: value.update(format=1)), r"has format 1, this version reads \(2, 3, 4\): measure again"),
        (damaged(lambda value: value.update(format="x")), "has format 'x'"),
        (damaged(lambda value: value.update(models=5)), "is damaged"),
        (damaged(lambda value: value["models"][0].pop("timing")), "is damaged .'timing' is missing"),
        (damaged(lambda value: value["models"][0].update(timing=None)), "is damaged"),
        (damaged(lambda value: value["models"][1]["timing"]["end_to_end"].update(p50="fast")), "is damaged"),
        (
            damaged(lambda value: value["models"][1]["timing"]["end_to_end"].update(p50=-1)),
            "-1 where a measured number",
        ),
        (damaged(lambda value: value["hardware"].pop("versions")), "is damaged"),
    ],
)
def test_files_that_are_no_run_are_refused_in_one_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "old.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read_saved(path)
    assert "\n" not in str(caught.value)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where everything in a JSON value is."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in inner for place in places(item, (*path, key))]


ODD: list[Any] = [
    None,
    0,
    -1,
    1e-320,
    1e308,
    math.nan,
    math.inf,
    10**400,
    "x",
    "\ud800",
    [],
    {},
    [1],
    [[]],
    {"a": 1},
    True,
]


@given(st.sampled_from(places(json.loads(json.dumps(to_json(GOOD))))), st.sampled_from(ODD))
@settings(max_examples=600)
def test_whatever_is_damaged_is_compared_or_refused(place: tuple[Any, ...], odd: Any) -> None:
    value = json.loads(json.dumps(to_json(GOOD)))
    inner = value
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = odd
    good = saved_run(to_json(GOOD))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "old.json"
        path.write_text(json.dumps(value))
        try:
            comparison = compare_runs(read_saved(path), good, "old.json", 0.05)
        except DataError:
            return
    assert all(
        change.band is None or math.isfinite(change.band) for model in comparison.models for change in model.changes
    )
    report = replace(GOOD, comparison=comparison)
    shown = [comparison_summary(comparison), *comparison_notes(comparison), *comparison.failures]
    shown += [cell for row in comparison_table(report).rows for cell in row]
    assert all(line.isprintable() for line in shown)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file to compare with"):
        read_saved(tmp_path / "none.json")
    with pytest.raises(DataError, match=r"cannot read .*: Is a directory"):
        read_saved(tmp_path)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(DataError, match="is not JSON"):
        read_saved(tmp_path / "picture.png")
