"""What the kernels should reach on data-centre GPUs. A goal that is missed is no failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from yolact_deploy.benchmarks.selftest.check import Check

GPUS = ("H100", "H200")  # that the goals are for
MIN_SPEEDUP = 10.0  # over the same work in PyTorch
MAX_MICROSECONDS = {  # by names of `cases.timed_cases`
    "Fast NMS, 19248 priors, 300 candidates, fp32": 40.0,
    "Fast NMS, 19248 priors, 300 candidates, fp16": 40.0,
    "masks, 100 of 138x138, fp16": 15.0,
    "image-size masks, 100 of 640x480, fp32": 40.0,
    "image-size masks, 100 of 640x480, fp16": 40.0,
}


@dataclass(frozen=True)
class Goal:
    """One goal and what was measured."""

    name: str
    wanted: str
    measured: str
    met: bool


def goals(checks: Sequence[Check]) -> tuple[Goal, ...]:
    """What the times of the kernels say of the goals; nothing on GPUs that they are not for."""
    figures: dict[str, Any] = next((dict(check.figures) for check in checks if "times" in check.figures), {})
    if not any(name in figures.get("gpu", "") for name in GPUS):
        return ()
    found = []
    for each in figures["times"]:
        limit, speedup = MAX_MICROSECONDS.get(each["name"]), each["speedup"]
        if limit is None:
            continue
        taken = each["microseconds"]
        found.append(Goal(each["name"], f"{limit:g} µs at most", f"{taken:.1f} µs", taken <= limit))
        if speedup is not None:
            wanted = f"{MIN_SPEEDUP:g} times as fast as PyTorch"
            found.append(Goal(each["name"], wanted, f"{speedup:.1f} times", speedup >= MIN_SPEEDUP))
    return tuple(found)
