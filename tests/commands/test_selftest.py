"""`yolact-deploy selftest` as a user runs it; its parts are tested in tests/benchmarks/selftest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.running import Captured, fails, succeeds
from yolact_deploy.benchmarks.selftest import run
from yolact_deploy.benchmarks.selftest.check import FailedError, Finding, SkippedError
from yolact_deploy.benchmarks.selftest.context import CheckContext
from yolact_deploy.benchmarks.selftest.run import Planned, plan

OTHERS_TEST = ("PyTorch", "export with image-size masks")  # tested by themselves; here they would take long


def test_this_machine(capsys: Captured, tmp_path: Path, nano_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With real subprocesses."""
    planned = tuple(each for each in plan() if each.name not in OTHERS_TEST)
    monkeypatch.setattr(run, "plan", lambda: planned)
    folder = tmp_path / "out"
    printed = succeeds(capsys, "selftest", "--model", nano_onnx, "--output", folder)
    values = json.loads((folder / "selftest.json").read_text())
    checks = {check["name"]: check for check in values["checks"]}
    assert checks["ONNX Runtime, CPU"]["status"] == "passed"
    assert checks["ONNX Runtime, CPU"]["figures"]["fps"] > 0
    assert {check["status"] for check in checks.values()} <= {"passed", "skipped"}
    assert all(check["detail"] for check in checks.values())
    for text in ("ONNX Runtime, CPU", "skipped", "0 failed", str(folder / "selftest.html")):
        assert text in printed


def wrong(context: CheckContext) -> Finding:
    raise FailedError("90 % match")


def test_a_failed_check_is_status_1_and_in_the_report(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "plan", lambda: (Planned("gate", wrong), Planned("good", lambda context: Finding("fine"))))
    assert "1 of 2 checks failed: gate" in fails(capsys, "selftest", "--output", tmp_path, status=1)
    checks = json.loads((tmp_path / "selftest.json").read_text())["checks"]
    assert [(check["status"], check["detail"]) for check in checks] == [("failed", "90 % match"), ("passed", "fine")]


def test_a_machine_that_can_check_nothing(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def skipped(context: CheckContext) -> Finding:
        raise SkippedError("no GPU")

    monkeypatch.setattr(run, "plan", lambda: (Planned("kernels", skipped),))
    assert "nothing could be checked" in fails(capsys, "selftest", "--output", tmp_path)
    assert json.loads((tmp_path / "selftest.json").read_text())["summary"]["skipped"] == 1


def test_wrong_input(capsys: Captured, tmp_path: Path) -> None:
    assert "no such file" in fails(capsys, "selftest", "--model", tmp_path / "missing.onnx", "-o", tmp_path / "out")
    (tmp_path / "selftest.json").write_text("mine")
    assert "not a report of yolact-deploy" in fails(capsys, "selftest", "--output", tmp_path)
    assert (tmp_path / "selftest.json").read_text() == "mine"
    assert f"default: {run.TIME_LIMIT}" in " ".join(succeeds(capsys, "selftest", "--help").split())
    assert "time-limit" in fails(capsys, "selftest", "--time-limit", "0")


def test_a_model_that_is_no_export_of_ours_is_wrong_input(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "notes.onnx").write_text("not a model")
    for name in ("notes.onnx", "missing.onnx"):
        assert name in fails(capsys, "selftest", "--model", tmp_path / name, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()
