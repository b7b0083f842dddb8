"""Whether two repeated measurements differ by more than their noise."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

# Noise that one run cannot show, because all its rounds share it: where memory came to lie, how warm the machine was.
BETWEEN_RUNS = 0.03
BETWEEN_RUNS_STAGE = 0.08  # of a few ms, in a session of its own: equal runs of a small model differed by up to 7 %
# Student's t, two-sided, 99 %, for 1, 2, ... 30 degrees of freedom; the last also serves for more.
T_99 = (
    *(63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169),
    *(3.106, 3.055, 3.012, 2.977, 2.947, 2.921, 2.898, 2.878, 2.861, 2.845),
    *(2.831, 2.819, 2.807, 2.797, 2.787, 2.779, 2.771, 2.763, 2.756, 2.750),
)


def noise_band(old: Sequence[float], new: Sequence[float], between_runs: float = BETWEEN_RUNS) -> float | None:
    """By how much two runs of the same thing may differ, as a natural logarithm of their ratio.

    old, new: what each round of the two runs measured. None when there are too few rounds to tell.

        band = sqrt((t s)^2 (1/n + 1/m) + b^2)

    s is the standard deviation of the rounds' logarithms, pooled over both runs (n and m rounds, Student's two-sample
    test); t is that of 99 % at n + m - 2 degrees of freedom, because s from so few rounds is itself uncertain;
    b = between_runs. Logarithms, because noise on a machine is a factor, and so that swapping the runs changes nothing.
    """
    freedom = len(old) + len(new) - 2
    if freedom < 1 or min(len(old), len(new)) < 1 or min(*old, *new) <= 0:
        return None
    squares = sum(_squares([math.log(value) for value in rounds]) for rounds in (old, new))
    error = math.sqrt(squares / freedom * (1 / len(old) + 1 / len(new)))
    return math.hypot(T_99[min(freedom, len(T_99)) - 1] * error, between_runs)


def _squares(values: Sequence[float]) -> float:
    """Sum of the squared distances from the mean."""
    mean = statistics.fmean(values)
    return math.fsum((value - mean) ** 2 for value in values)
