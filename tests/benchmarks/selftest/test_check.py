"""Whatever happens in a check is its result."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.selftest.conftest import MakeContext
from yolact_deploy.benchmarks.performance.subprocesses import TimeLimitError, run_module
from yolact_deploy.benchmarks.selftest.check import FailedError, Finding, SkippedError, run_check
from yolact_deploy.benchmarks.selftest.run import Options, Planned, run_selftest
from yolact_deploy.errors import GateError, ModelFileError, YolactDeployError


def raising(error: BaseException) -> Callable[..., Finding]:
    def work(*_: object) -> Finding:
        raise error

    return work


def test_a_check_that_goes_well() -> None:
    check = run_check("good", lambda: Finding("two\nlines", {"fps": 3}))
    assert (check.name, check.status, check.detail, check.figures) == ("good", "passed", "two lines", {"fps": 3})
    assert check.seconds >= 0


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (SkippedError("no GPU"), "skipped", "no GPU"),
        (FailedError("wrong"), "failed", "wrong"),
        (GateError("gate"), "failed", "gate"),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
        (KeyError("times"), "failed", "'times'"),
        (AssertionError("a\nb"), "failed", "a b"),
    ],
)
def test_what_a_check_raises_is_its_result(error: Exception, status: str, detail: str) -> None:
    check = run_check("bad", raising(error))
    assert (check.status, check.detail) == (status, detail)


def test_an_interrupt_goes_on() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_check("interrupted", raising(KeyboardInterrupt()))


def module(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> str:
    (folder / "planted.py").write_text(code)
    monkeypatch.syspath_prepend(str(folder))
    return "planted"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.abort()", "signal 6"),
        ("import os, sys; print('a word', file=sys.stderr, flush=True); os.abort()", "signal 6.*a word"),
        ("import sys; sys.exit(3)", "status 3"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit('error: no such thing')", "failed: no such thing"),
    ],
)
def test_a_subprocess_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str) -> None:
    with pytest.raises(YolactDeployError, match=reason):
        run_module(module(tmp_path, monkeypatch, code), [], "trying")


def test_a_subprocess_that_hangs_is_ended_with_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import subprocess, sys, threading\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import threading; threading.Event().wait()'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "threading.Event().wait()"
    )
    with pytest.raises(TimeLimitError, match="trying was ended: it took longer than 3 s"):
        run_module(module(tmp_path, monkeypatch, code), [], "trying", limit_s=3)
    started = (tmp_path / "pid").read_text()
    state = subprocess.run(["ps", "-o", "stat=", "-p", started], capture_output=True, text=True).stdout
    assert state[:1] in ("", "Z")


def test_nothing_is_imported_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('error: a file of the current folder was imported')")
    (tmp_path / "numpy.py").write_text("raise SystemExit('error: a file of the current folder was imported')")
    monkeypatch.chdir(tmp_path)
    assert "usage" in run_module("yolact_deploy.benchmarks.selftest.pictures", ["--help"], "asking")


def test_the_limit_of_all_checks_is_no_fault_of_one(make_context: MakeContext) -> None:
    def too_long(*_: object, **__: object) -> str:
        raise TimeLimitError("took longer")

    with pytest.raises(SkippedError, match="--time-limit"):
        make_context(too_long, seconds_left=lambda: 2.0).run("module", [], "trying", limit_s=60)
    with pytest.raises(TimeLimitError):
        make_context(too_long, seconds_left=lambda: 100.0).run("module", [], "trying", limit_s=60)


def test_each_check_is_run_whatever_the_others_do() -> None:
    planned = (
        Planned("crash", raising(ZeroDivisionError())),
        Planned("skip", raising(SkippedError("nothing here"))),
        Planned("pass", lambda context: Finding(str(context.folder.is_dir()))),
    )
    said: list[tuple[str, int, int]] = []
    result = run_selftest(Options(), lambda *step: said.append(step), planned=planned)
    assert [(check.name, check.status) for check in result.checks] == [
        ("crash", "failed"),
        ("skip", "skipped"),
        ("pass", "passed"),
    ]
    assert [check.name for check in result.failures] == ["crash"]
    assert said[1:] == [("crash", 0, 3), ("skip", 1, 3), ("pass", 2, 3)]


def test_checks_after_the_time_limit_are_skipped() -> None:
    result = run_selftest(Options(time_limit=0), planned=(Planned("late", lambda context: Finding("")),))
    assert [(check.status, "--time-limit" in check.detail) for check in result.checks] == [("skipped", True)]


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(ModelFileError, match=r"no such file: missing\.onnx"):
        run_selftest(Options(model=Path("missing.onnx")), planned=())
