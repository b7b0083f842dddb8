"""Where reports may be written: never over an input, over other files only by force, over our own always."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.report.test_text import GOOD
from tests.conftest import DATA, NANO, NANO_WEIGHTS
from tests.running import Captured, fails
from yolact_deploy.benchmarks import bench
from yolact_deploy.benchmarks.options import BenchOptions
from yolact_deploy.benchmarks.report.targets import ReportTargets, files_read
from yolact_deploy.errors import OutputError

OPTIONS = BenchOptions(models=(NANO_WEIGHTS,))


def targets(folder: Path, force: bool = False) -> ReportTargets:
    return ReportTargets(str(folder / "r.json"), str(folder / "r.md"), folder / "report", force=force)


def test_our_own_reports_are_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        targets(tmp_path).check(files_read(OPTIONS))
        written = targets(tmp_path).write(GOOD, "yolact-deploy bench")
    assert {Path(path).name for path in written} == {"report.html", "r.md", "r.json"}
    assert json.loads((tmp_path / "r.json").read_text())["passed"] is True
    shutil.copy(DATA / "bench/format2.json", tmp_path / "r.json")  # by version 0.1.0
    targets(tmp_path).check(())


@pytest.mark.parametrize("name", ["r.json", "r.md", "report/report.html", "report/report.json"])
@pytest.mark.parametrize("content", ["", "# my notes", "{}", "\udcff"])
def test_other_files_are_replaced_only_by_force(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, errors="surrogateescape")
    with pytest.raises(OutputError, match="is not a report of yolact-deploy: pass --force"):
        targets(tmp_path).check(())
    targets(tmp_path, force=True).check(())
    assert path.read_text(errors="surrogateescape") == content


@pytest.mark.parametrize("kind", ["model", "manifest", "weights beside it", "annotations", "picture", "older run"])
@pytest.mark.parametrize("link", ["name", "symbolic link", "hard link"])
def test_an_output_that_is_an_input_is_refused(tmp_path: Path, kind: str, link: str) -> None:
    data = Path(shutil.copytree(NANO, tmp_path / "data"))
    old = Path(shutil.copy(DATA / "bench/format2.json", tmp_path / "old.json"))
    model = tmp_path / "m.engine"
    files = {
        "model": model,
        "manifest": tmp_path / "m.engine.json",
        "weights beside it": tmp_path / "m.engine.data",
        "annotations": data / "instances.json",
        "picture": data / "images/000000001000.jpg",
        "older run": old,
    }
    for path in files.values():
        path.touch()
    output = files[kind] if link == "name" else tmp_path / "r.md"
    if link == "symbolic link":
        output.symlink_to(files[kind])
    elif link == "hard link":
        os.link(files[kind], output)
    options = replace(OPTIONS, models=(model,), data=data, compare=old)
    for wanted in (ReportTargets(json=str(output), force=True), ReportTargets(markdown=str(output), force=True)):
        with pytest.raises(OutputError, match=f"{output.name} is an input"):
            wanted.check(files_read(options))


def test_a_report_among_the_images_is_replaced(tmp_path: Path) -> None:
    """`bench --data . --json bench.json`, twice."""
    data = Path(shutil.copytree(NANO, tmp_path / "data"))
    for _ in range(2):
        targets(data).check(files_read(replace(OPTIONS, data=data)))
        targets(data).write(GOOD, "")


def test_the_command_refuses_before_anything_is_measured(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "run_bench", lambda *arguments: pytest.fail("it has begun"))
    notes, names = tmp_path / "notes.md", tmp_path / "names.txt"
    notes.write_text("mine")
    names.write_text("a")
    model = Path(shutil.copy(NANO_WEIGHTS, tmp_path / "m.pth"))
    assert "--force" in fails(capsys, "bench", model, "--markdown", notes)
    assert "is an input" in fails(capsys, "bench", model, "--json", model, "--force")
    assert "is an input" in fails(capsys, "bench", model, "--class-names", names, "--markdown", names, "--force")
    assert notes.read_text() == "mine"
