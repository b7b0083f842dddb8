"""The kernels of a plugin library in a process of its own: a fault of CUDA ends no more than that.

`python -m yolact_deploy.benchmarks.kernels.run LIBRARY check GROUP`, `sanitize` or `time` prints a line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from yolact_deploy.benchmarks.kernels.cases import GROUPS, Case, check_cases, sanitizer_cases, timed_cases
from yolact_deploy.benchmarks.kernels.device import Device
from yolact_deploy.benchmarks.kernels.operators import WrongResultError
from yolact_deploy.benchmarks.kernels.timing import FLUSH_BYTES, Clock, measure
from yolact_deploy.errors import YolactDeployError


def check(library: Path, cases: Sequence[Case], poisoned: bool = True) -> dict[str, Any]:
    """Run `cases` and compare each with the reference.

    Raises YolactDeployError, which names the case, when a result is wrong or CUDA fails.
    """
    worst = 0.0
    for case in cases:
        operator = case.make()
        with _named(case), Device.opened(library) as device:
            bound = device.bind(operator.work, poisoned)
            for _ in range(2):  # the second time on what the first has left in workspace and outputs
                bound.run()
                worst = max(worst, operator.check(bound.fetch()))
    return {"cases": len(cases), "largest_difference": worst}


def time_all(library: Path, cases: Sequence[Case], flush_bytes: int = FLUSH_BYTES) -> dict[str, Any]:
    """Time `cases`. Raises as `check`."""
    torch = _torch_with_gpu()
    times = []
    with Device.opened(library) as device:
        clock = Clock(device, flush_bytes)
        copy = clock.copy_gb_per_s()
    for case in cases:
        with _named(case), Device.opened(library) as device:
            times.append(measure(case, device, Clock(device, flush_bytes), copy, torch))
    return {
        "gpu": device.backend.gpu.name,
        "copy_gb_per_s": copy,
        "pytorch": None if torch is None else str(torch.__version__),
        "times": [asdict(each) for each in times],
    }


@contextmanager
def _named(case: Case) -> Iterator[None]:
    """Errors say in which case they happened."""
    try:
        yield
    except (WrongResultError, YolactDeployError) as error:
        raise YolactDeployError(f"{case.name}: {error}") from None


def _torch_with_gpu() -> Any | None:
    try:
        import torch
    except Exception:  # a broken native library raises what it likes
        return None
    return torch if torch.cuda.is_available() else None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m yolact_deploy.benchmarks.kernels.run", description=__doc__)
    parser.add_argument("library", type=Path)
    parser.add_argument("what", choices=("check", "sanitize", "time"))
    parser.add_argument("group", choices=GROUPS, nargs="?", default=GROUPS[0])
    parser.add_argument("--uninitialised", action="store_true", help="leave outputs and workspace as they are")
    options = parser.parse_args(arguments)
    try:
        if options.what == "time":
            result = time_all(options.library, timed_cases())
        elif options.what == "sanitize":
            result = check(options.library, sanitizer_cases(), poisoned=not options.uninitialised)
        else:
            result = check(options.library, check_cases(options.group))
    except YolactDeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
