"""The self-test's parts in this process, on the machine that a test wants."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from yolact_deploy import cli
from yolact_deploy.benchmarks.performance.subprocesses import run_module
from yolact_deploy.benchmarks.selftest.context import COMMAND, CheckContext, RunModule
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.inspection.doctor import MachineReport, examine_machine

MakeContext = Callable[..., CheckContext]


def in_process(
    module: str, arguments: Sequence[str], doing: str, limit_s: float | None = None, prefix: Sequence[str] = ()
) -> str:
    """As `run_module`, in this process, where stand-ins are known."""
    stdout, stderr = io.StringIO(), io.StringIO()
    main = cli.run if module == COMMAND else importlib.import_module(module).main
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        status = main(list(arguments))
    if status:
        raise YolactDeployError(f"{doing} failed: {stderr.getvalue().strip().splitlines()[-1]}")
    return stdout.getvalue()


@pytest.fixture(scope="session")
def machine() -> MachineReport:
    """This one."""
    return examine_machine()


def with_everything(machine: MachineReport) -> MachineReport:
    """A machine that lacks nothing."""
    return MachineReport(
        tuple(replace(finding, version=finding.version or "1") for finding in machine.findings),
        tuple(replace(ability, missing=()) for ability in machine.abilities),
    )


def lacking(machine: MachineReport, *keys: str) -> MachineReport:
    """The same without some findings."""
    findings = (replace(each, version=None) if each.key in keys else each for each in machine.findings)
    return replace(machine, findings=tuple(findings))


@pytest.fixture
def make_context(tmp_path: Path, machine: MachineReport) -> MakeContext:
    """Of a machine that has everything, unless a test says otherwise."""
    folder = tmp_path / "work"
    folder.mkdir()

    complete = with_everything(machine)

    def make(run: RunModule = run_module, machine: MachineReport = complete, **changes: object) -> CheckContext:
        return replace(CheckContext(folder, machine, run, lambda: 1000.0), **changes)  # type: ignore[arg-type]

    return make
