"""The plugins' kernels on the GPU here, against the same work in PyTorch on that GPU.

    yolact-deploy build-plugins
    python -m yolact_deploy.benchmarks.scripts.kernels [--library FILE] [--output benchmarks/results]

Timed by CUDA events around each operator's launches, and around each kernel where an operator has several, with the L2
cache flushed in between, as Triton's do_bench does it. What PyTorch takes includes the waits for the host that its
operators make. Not yet run: no GPU was at hand.
"""

from __future__ import annotations

import argparse
import itertools
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from yolact_deploy import console
from yolact_deploy.benchmarks.scripts.kernel_calls import FastNmsCall, ImageMaskCall, KernelCall, MaskCall
from yolact_deploy.benchmarks.scripts.kernel_library import KernelLibrary
from yolact_deploy.config.model import PostprocessConfig
from yolact_deploy.dependencies import BUILD_COMMAND, require
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.files import make_output_folder, write_json, write_text
from yolact_deploy.trt.plugin_library import find_library

WARMUP_CALLS = 200  # with their flushes 50 ms or more: an idle GPU needs some to raise its clocks
TIMED_CALLS = 100
REFERENCE_CALLS = 20
# 1 GiB: more than any L2 cache, and so long that the host has handed over the work before it ends.
FLUSH_BYTES = 1 << 30
COPY_BYTES = 1 << 30  # 1 GiB, read and written
MAJORS = (12, 11, 10)  # of TensorRT, the newest library first


class Clock(Protocol):
    """Times of work on a device."""

    def times(self, steps: Sequence[Callable[[], object]], calls: int) -> tuple[float, ...]:
        """Median microseconds of each of `steps`, which are run in a row, again and again."""
        ...


class CudaClock:
    """By CUDA events."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._flushed = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device="cuda")

    def times(self, steps: Sequence[Callable[[], object]], calls: int) -> tuple[float, ...]:
        """See `Clock`."""
        rounds = [self._round(steps) for _ in range(WARMUP_CALLS + calls)]
        return tuple(statistics.median(times) for times in zip(*rounds[WARMUP_CALLS:], strict=True))

    def _round(self, steps: Sequence[Callable[[], object]]) -> list[float]:
        events = [self._torch.cuda.Event(enable_timing=True) for _ in range(len(steps) + 1)]
        self._flushed.zero_()
        events[0].record()
        for step, end in zip(steps, events[1:], strict=True):
            step()
            end.record()
        events[-1].synchronize()
        return [1e3 * start.elapsed_time(end) for start, end in itertools.pairwise(events)]


@dataclass(frozen=True)
class Measurement:
    """One operator with one input. Times are medians."""

    name: str
    microseconds: float
    kernel_microseconds: dict[str, float]  # of each kernel by itself; empty: there is one
    reference_microseconds: float  # the same work in PyTorch on this GPU
    bytes_moved: int  # read and written at least
    copy_gb_per_s: float  # what a plain copy reaches here

    @property
    def gb_per_s(self) -> float:
        """Bytes moved by time."""
        return self.bytes_moved / self.microseconds / 1e3

    @property
    def row(self) -> tuple[str, ...]:
        """For the table."""
        kernels = ", ".join(f"{name} {time:.1f}" for name, time in self.kernel_microseconds.items())
        return (
            self.name,
            f"{self.microseconds:.1f}",
            kernels or "-",
            f"{self.reference_microseconds:.0f}",
            f"{self.reference_microseconds / self.microseconds:.1f}",
            f"{self.bytes_moved / 1e6:.2f}",
            f"{self.gb_per_s:.0f}",
            f"{100 * self.gb_per_s / self.copy_gb_per_s:.0f} %",
        )


COLUMNS = ("operator", "µs", "kernels, µs", "PyTorch, µs", "times faster", "MB moved", "GB/s", "of a copy")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry of `python -m yolact_deploy.benchmarks.scripts.kernels`."""
    parser = argparse.ArgumentParser(description="Times of the plugins' kernels.")
    parser.add_argument("--library", type=Path, help="the plugin library; that of build-plugins if left out")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"), help="folder for JSON and table")
    options = parser.parse_args(arguments)
    try:
        measure_all(options.library, options.output)
    except YolactDeployError as error:
        console.fail(str(error))
        sys.exit(error.exit_status)


def measure_all(library: Path | None, output: Path) -> tuple[Measurement, ...]:
    """Measure, print a table, and write it and a JSON file into `output`.

    Raises YolactDeployError when there is no GPU for PyTorch or no library, MissingDependencyError, OutputError.
    """
    torch: Any = require("torch", "measuring kernels")
    if not torch.cuda.is_available():
        raise YolactDeployError("measuring kernels needs an NVIDIA GPU and a CUDA build of PyTorch")
    calls = kernel_calls(KernelLibrary.load(library or _newest_library()))
    clock = CudaClock(torch)
    copy = _copy_speed(torch, clock)
    results = tuple(measure(call, clock, copy) for call in calls)
    console.show_table(COLUMNS, [result.row for result in results])
    for path in write_results(results, torch.cuda.get_device_name(), torch.__version__, copy, output):
        console.say(str(path))
    return results


def kernel_calls(library: KernelLibrary, device: str = "cuda") -> list[KernelCall]:
    """What is measured: the sizes of COCO at 550 px, and the worst case of YOLACT++."""
    usual, all_pass = PostprocessConfig(), PostprocessConfig(score_threshold=0.0)
    across = PostprocessConfig(cross_class=True)
    return [
        *(FastNmsCall(library, usual, 19248, 80, 32, candidates=300, half=half, device=device) for half in _BOTH),
        FastNmsCall(library, across, 19248, 80, 32, candidates=300, half=False, device=device),
        *(FastNmsCall(library, all_pass, 57744, 80, 32, candidates=57744, half=half, device=device) for half in _BOTH),
        *(MaskCall(library, 100, 138, 138, 32, half=half, device=device) for half in _BOTH),
        *(ImageMaskCall(library, 100, 138, 138, 32, 480, 640, half=half, device=device) for half in _BOTH),
    ]


_BOTH = (False, True)


def measure(call: KernelCall, clock: Clock, copy_gb_per_s: float) -> Measurement:
    """Time `call` after a check that it is right. Raises AssertionError when it is not."""
    call.check()
    (whole,) = clock.times([call.run], TIMED_CALLS)
    kernels = clock.times(list(call.kernels.values()), TIMED_CALLS) if call.kernels else ()
    (reference,) = clock.times([call.reference], REFERENCE_CALLS)
    return Measurement(
        name=call.name,
        microseconds=whole,
        kernel_microseconds=dict(zip(call.kernels, kernels, strict=True)),
        reference_microseconds=reference,
        bytes_moved=call.bytes_moved,
        copy_gb_per_s=copy_gb_per_s,
    )


def write_results(
    results: Sequence[Measurement], device: str, torch_version: str, copy_gb_per_s: float, output: Path
) -> tuple[Path, Path]:
    """A JSON file and a table with device, date and commit in `output`. Raises OutputError."""
    date, commit = datetime.now(timezone.utc).date().isoformat(), _commit()
    facts = {"device": device, "date": date, "commit": commit, "torch": torch_version, "copy_gb_per_s": copy_gb_per_s}
    lines = [f"Kernels on {device}, {date}, commit {commit}; a plain copy moves {copy_gb_per_s:.0f} GB/s.", ""]
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(result.row for result in results)]
    make_output_folder(output)
    name = f"{date}-{re.sub('[^a-z0-9]+', '-', device.lower()).strip('-')}-kernels"
    numbers, table = output / f"{name}.json", output / f"{name}.md"
    write_json(numbers, {**facts, "results": [asdict(result) for result in results]})
    write_text(table, "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n")
    return numbers, table


def _copy_speed(torch: Any, clock: Clock) -> float:
    """GB/s that a copy inside the GPU's memory reads and writes."""
    source = torch.zeros(COPY_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    (microseconds,) = clock.times([lambda: target.copy_(source)], REFERENCE_CALLS)
    return 2 * COPY_BYTES / microseconds / 1e3


def _newest_library() -> Path:
    """Raises YolactDeployError when there is none, ModelFileError when it is not as it was built."""
    for major in MAJORS:
        if (library := find_library(major)) is not None:
            return library
    raise YolactDeployError(f"there is no plugin library here: run `{BUILD_COMMAND}`, or name one with --library")


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).resolve().parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


if __name__ == "__main__":
    main()
