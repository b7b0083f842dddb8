"""Running the command line in tests, in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from yolact_deploy import cli

Captured = pytest.CaptureFixture[str]


def run_process(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "yolact_deploy", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, cwd=ROOT)


def assert_one_error_line(stderr: str) -> None:
    assert stderr.startswith("error: ")
    assert stderr.count("\n") == 1
    assert stderr.endswith("\n")
    assert "Traceback" not in stderr


def fails(capsys: Captured, *arguments: str | Path, status: int = 2) -> str:
    """Runs, asserts status and a single line on stderr, and returns that line."""
    capsys.readouterr()
    assert cli.run([str(argument) for argument in arguments]) == status
    stderr = capsys.readouterr().err
    assert_one_error_line(stderr)
    return stderr


def succeeds(capsys: Captured, *arguments: str | Path) -> str:
    """Runs, asserts status 0, and returns stdout."""
    capsys.readouterr()
    status = cli.run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    return captured.out
