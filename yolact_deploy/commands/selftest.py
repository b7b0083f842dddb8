"""`yolact-deploy selftest`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import console
from ..errors import GateError, YolactDeployError
from .options import Verbose

if TYPE_CHECKING:
    from ..benchmarks.selftest.run import SelfTest


def run(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder for selftest.json and selftest.html; replaces those of an earlier self-test.",
        ),
    ] = Path("selftest"),
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="ONNX export of the bundled checkpoint, for a machine without PyTorch (default: exported here).",
        ),
    ] = None,
    sanitize: Annotated[bool, typer.Option("--sanitize", help="Also run the kernels under compute-sanitizer.")] = False,
    time_limit: Annotated[
        int | None, typer.Option(min=1, metavar="SECONDS", help="Skip what is not done by then (default: 450).")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Check kernels, runtimes and engines on this machine, and write one report to attach to a bug report."""
    from ..artifacts.onnx_file import read_metadata
    from ..benchmarks.report.progress import shown_progress
    from ..benchmarks.selftest import report
    from ..benchmarks.selftest.check import SKIPPED
    from ..benchmarks.selftest.run import TIME_LIMIT, Options, run_selftest

    if model is not None:
        read_metadata(model)  # a wrong file is the user's input, and no fault of the machine
    report.check_folder(output)
    with shown_progress() as progress:
        result = run_selftest(Options(model, sanitize, time_limit or TIME_LIMIT), progress)
    paths = report.write(output, result, console.COMMAND_LINE.get())
    _show(result)
    for path in paths:
        console.say(str(path))
    if result.failures:
        names = ", ".join(check.name for check in result.failures)
        raise GateError(f"{len(result.failures)} of {len(result.checks)} checks failed: {names}")
    if all(check.status == SKIPPED for check in result.checks):
        raise YolactDeployError("nothing could be checked on this machine: see `yolact-deploy doctor`")


def _show(result: SelfTest) -> None:
    from ..benchmarks.selftest import report

    console.show_table(report.CHECK_COLUMNS, report.check_rows(result), numbers=("s",))
    for columns, rows in (
        (report.TIME_COLUMNS, report.time_rows(result)),
        (report.GOAL_COLUMNS, report.goal_rows(result)),
    ):
        if rows:
            console.say()
            console.show_table(columns, rows)
    console.say(", ".join(f"{count} {status}" for status, count in report.summary(result).items()))
