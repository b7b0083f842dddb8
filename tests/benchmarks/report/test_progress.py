"""Progress on a terminal and in a log."""

from __future__ import annotations

import io

import pytest

from yolact_deploy.benchmarks.report import progress as progress_module
from yolact_deploy.benchmarks.report.progress import shown_progress

LOG_SECONDS = 10.0


class Terminal(io.StringIO):
    """A stderr that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
    monkeypatch.setattr(progress_module, "LOG_SECONDS", LOG_SECONDS)
    with shown_progress() as progress:
        for step in range(5):
            now = step * LOG_SECONDS / 2
            progress(f"step {step}", step, 4)
    assert capsys.readouterr().err == "step 2: 2 of 4\nstep 4: 4 of 4\n"


def test_a_terminal_gets_a_bar_that_names_the_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with shown_progress() as progress:
        for done in range(65):
            progress("[net].onnx: accuracy", done, 64)
        progress("[net].onnx: memory", 1, 1)
    text = terminal.getvalue()
    assert "[net].onnx: accuracy" in text
    assert "64/64" in text
    assert "[net].onnx: memory" in text
    assert "1/1" in text
    assert text.count("accuracy") < 20, "fast steps are not drawn one by one"
    assert capsys.readouterr().out == ""
