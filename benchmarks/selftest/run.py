"""The self-test: all checks in order, each in time and by itself."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from yolact_deploy.benchmarks.hardware import Hardware, describe_hardware
from yolact_deploy.benchmarks.kernels.cases import GROUPS
from yolact_deploy.benchmarks.options import Progress
from yolact_deploy.benchmarks.performance.subprocesses import run_module
from yolact_deploy.benchmarks.selftest import models, plugins
from yolact_deploy.benchmarks.selftest.check import FAILED, Check, Finding, SkippedError, run_check
from yolact_deploy.benchmarks.selftest.context import CheckContext, RunModule, clock_until
from yolact_deploy.benchmarks.selftest.goals import Goal, goals
from yolact_deploy.errors import ModelFileError
from yolact_deploy.inspection.doctor import MachineReport, examine_machine

TIME_LIMIT = 450  # s: with what is still running then, less than 8 minutes


@dataclass(frozen=True)
class Options:
    """What to check, and how."""

    model: Path | None = None  # an ONNX export of the bundled checkpoint; None: it is exported here
    sanitize: bool = False  # run the kernels under compute-sanitizer
    time_limit: float = TIME_LIMIT  # s; checks that have not begun by then are skipped


@dataclass(frozen=True)
class Planned:
    """A check that is still to be run."""

    name: str
    work: Callable[[CheckContext], Finding]


@dataclass(frozen=True)
class SelfTest:
    """What was found."""

    checks: tuple[Check, ...]
    goals: tuple[Goal, ...]
    hardware: Hardware
    machine: MachineReport

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status == FAILED)


def plan() -> tuple[Planned, ...]:
    """All checks: the kernels, which run fast, before the models, and each after those that it needs."""
    tools = plugins.SANITIZER_TOOLS
    return (
        Planned("plugins compile", plugins.build),
        *(Planned(f"kernels: {group}", partial(plugins.kernels, group=group)) for group in GROUPS),
        Planned("kernels: time", plugins.time_kernels),
        Planned("PyTorch", models.pytorch),
        Planned("export", models.export),
        Planned("ONNX Runtime, CPU", partial(models.onnx_runtime, device="cpu")),
        Planned("ONNX Runtime, CUDA", partial(models.onnx_runtime, device="cuda")),
        Planned("export with image-size masks", models.export_image_masks),
        *(Planned(kind.name, partial(models.engine, kind=kind)) for kind in models.ENGINES),
        Planned("two engines in one process", models.two_engines),
        *(Planned(f"{plugins.SANITIZER} {tool}", partial(plugins.sanitize, tool=tool)) for tool in tools),
    )


def run_selftest(
    options: Options,
    progress: Progress = lambda what, done, total: None,
    subprocesses: RunModule = run_module,
    planned: tuple[Planned, ...] | None = None,
) -> SelfTest:
    """Run every check. A check that fails, crashes or takes too long is a result; the others run all the same.

    Raises ModelFileError when the model that the options name is not there.
    """
    if options.model is not None and not options.model.is_file():
        raise ModelFileError(f"no such file: {options.model}")
    left = clock_until(options.time_limit)
    progress("examine the machine", 0, 1)
    machine, hardware = examine_machine(), describe_hardware()
    checks: list[Check] = []
    todo = plan() if planned is None else planned
    with tempfile.TemporaryDirectory(prefix="yolact-selftest-") as folder:
        context = CheckContext(Path(folder), machine, subprocesses, left, options.model, options.sanitize)
        for done, each in enumerate(todo):
            progress(each.name, done, len(todo))
            checks.append(run_check(each.name, partial(_in_time, each, context)))
    return SelfTest(tuple(checks), goals(checks), hardware, machine)


def _in_time(planned: Planned, context: CheckContext) -> Finding:
    if not context.seconds_left():
        raise SkippedError("the time limit of the self-test is over: raise --time-limit")
    return planned.work(context)
