"""The plugins' kernels on the GPU here, against the same work in PyTorch on that GPU.

    yolact-deploy build-plugins
    python -m yolact_deploy.benchmarks.kernels [--library FILE] [--output benchmarks/results]

Timed by CUDA events around each operator's launches, with the L2 cache flushed in between, as Triton's do_bench does
it. Not yet run: no GPU was at hand.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import console
from ..config import PostprocessConfig
from ..dependencies import require
from ..errors import YolactDeployError
from ..files import write_json, write_text
from ..plugin_library import BUILD_COMMAND, library_path
from .kernel_calls import FastNmsCall, KernelLibrary, MaskCall

WARMUP_CALLS = 10
TIMED_CALLS = 100
REFERENCE_CALLS = 20
FLUSH_BYTES = 1 << 28  # 256 MiB: more than any L2 cache
COPY_BYTES = 1 << 30  # 1 GiB, read and written
MAJORS = (12, 11, 10)  # of TensorRT, the newest library first


@dataclass(frozen=True)
class Measurement:
    """One operator with one input. Times are medians."""

    name: str
    microseconds: float
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
        return (
            self.name,
            f"{self.microseconds:.1f}",
            f"{self.reference_microseconds:.0f}",
            f"{self.reference_microseconds / self.microseconds:.1f}",
            f"{self.bytes_moved / 1e6:.2f}",
            f"{self.gb_per_s:.0f}",
            f"{100 * self.gb_per_s / self.copy_gb_per_s:.0f} %",
        )


COLUMNS = ("operator", "µs", "PyTorch, µs", "times faster", "MB moved", "GB/s", "of a copy")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry of `python -m yolact_deploy.benchmarks.kernels`."""
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
    kernels = KernelLibrary.load(library or _newest_library())
    copy = _copy_speed(torch)
    results = tuple(_measure(torch, call, copy) for call in _calls(kernels))
    console.show_table(COLUMNS, [result.row for result in results])
    device = torch.cuda.get_device_name()
    stamp = datetime.now(timezone.utc).date().isoformat()
    facts = {"device": device, "date": stamp, "commit": _commit(), "torch": torch.__version__, "copy_gb_per_s": copy}
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "kernels.json", {**facts, "results": [asdict(result) for result in results]})
    lines = [f"Kernels on {device}, {stamp}, commit {facts['commit']}; a plain copy moves {copy:.0f} GB/s.", ""]
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(result.row for result in results)]
    write_text(output / "kernels.md", "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n")
    return results


def _calls(kernels: KernelLibrary) -> list[FastNmsCall | MaskCall]:
    usual, all_pass = PostprocessConfig(), PostprocessConfig(score_threshold=0.0)
    return [
        *(FastNmsCall(kernels, usual, 19248, 80, 32, candidates=300, half=half) for half in (False, True)),
        FastNmsCall(kernels, PostprocessConfig(cross_class=True), 19248, 80, 32, candidates=300, half=False),
        FastNmsCall(kernels, all_pass, 57744, 80, 32, candidates=57744, half=False),
        *(MaskCall(kernels, 100, 138, 138, 32, half=half) for half in (False, True)),
    ]


def _measure(torch: Any, call: FastNmsCall | MaskCall, copy: float) -> Measurement:
    call.check()
    return Measurement(
        name=call.name,
        microseconds=_median_time(torch, call.run, TIMED_CALLS),
        reference_microseconds=_median_time(torch, call.reference, REFERENCE_CALLS),
        bytes_moved=call.bytes_moved,
        copy_gb_per_s=copy,
    )


def _median_time(torch: Any, work: Callable[[], object], calls: int) -> float:
    """Microseconds of GPU time a call."""
    flush = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device="cuda")
    for _ in range(WARMUP_CALLS):
        work()
    times = []
    for _ in range(calls):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        flush.zero_()
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(1e3 * start.elapsed_time(end))
    return statistics.median(times)


def _copy_speed(torch: Any) -> float:
    """GB/s that a copy inside the GPU's memory reads and writes."""
    source = torch.zeros(COPY_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * COPY_BYTES / _median_time(torch, lambda: target.copy_(source), REFERENCE_CALLS) / 1e3


def _newest_library() -> Path:
    for major in MAJORS:
        if library_path(major).is_file():
            return library_path(major)
    raise YolactDeployError(f"there is no plugin library here: run `{BUILD_COMMAND}`, or name one with --library")


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).resolve().parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


if __name__ == "__main__":
    main()
