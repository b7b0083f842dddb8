"""The noise band: against Student's distribution, and against runs made by chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolact_deploy.benchmarks.regression.noise import BETWEEN_RUNS, T_99, noise_band

ROUNDS = st.lists(st.floats(0.01, 1e4), min_size=1, max_size=6)


def share_within(t: float, freedom: int) -> float:
    """How much of Student's distribution lies between -t and t, by the integral of its density."""
    x = np.linspace(-t, t, 200_001)
    log_scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    density = np.exp(log_scale - (freedom + 1) / 2 * np.log1p(x * x / freedom))
    return float(np.sum((density[1:] + density[:-1]) / 2 * np.diff(x)))


@pytest.mark.parametrize("freedom", range(1, len(T_99) + 1))
def test_t_is_that_of_99_percent(freedom: int) -> None:
    assert share_within(T_99[freedom - 1], freedom) == pytest.approx(0.99, abs=2e-5)


def test_by_hand() -> None:
    old, new = [math.e**0.1, math.e**0.2, math.e**0.3], [1.0, math.e**0.1, math.e**0.2]
    error = math.sqrt((0.02 + 0.02) / 4 * (2 / 3))
    assert noise_band(old, new) == pytest.approx(math.hypot(4.604 * error, 0.03))


def test_rounds_that_repeat_exactly_still_leave_what_differs_between_runs() -> None:
    assert noise_band([20.0] * 3, [25.0] * 3) == pytest.approx(BETWEEN_RUNS)
    assert noise_band([20.0] * 3, [25.0] * 3, between_runs=0.08) == pytest.approx(0.08)


@pytest.mark.parametrize(("old", "new"), [([1.0], [1.0]), ([], [1.0, 2.0, 3.0]), ([0.0, 1.0], [1.0, 1.0])])
def test_too_few_rounds_tell_nothing(old: list[float], new: list[float]) -> None:
    assert noise_band(old, new) is None


@given(ROUNDS, ROUNDS, st.floats(0.01, 100))
def test_swapping_the_runs_or_changing_the_unit_changes_nothing(
    old: list[float], new: list[float], factor: float
) -> None:
    band = noise_band(old, new)
    if len(old) + len(new) < 3:
        assert band is None
        return
    assert band is not None
    assert band >= BETWEEN_RUNS
    assert noise_band(new, old) == pytest.approx(band)
    assert noise_band([value * factor for value in old], new) == pytest.approx(band, rel=1e-6)


def alarms(ratio: float, noise: float, rounds: int, runs: int = 1000) -> float:
    """Share of run pairs, the second of them `ratio` times as slow, whose medians differ by more than the band."""
    random = np.random.default_rng(0)
    found = 0
    for _ in range(runs):
        common = random.normal(0, 0.01, 2)  # what differs between runs, here less than BETWEEN_RUNS
        old, new = (np.exp(random.normal(common[index], noise, rounds)) for index in (0, 1))
        band = noise_band(old.tolist(), (new * ratio).tolist())
        assert band is not None
        found += abs(math.log(np.median(new * ratio) / np.median(old))) > band
    return found / runs


@pytest.mark.parametrize("noise", [0.002, 0.01, 0.03, 0.1])
def test_false_alarms_are_few(noise: float) -> None:
    assert alarms(1.0, noise, rounds=3) < 0.04


@pytest.mark.parametrize(("noise", "rounds"), [(0.005, 3), (0.02, 3), (0.04, 5)])
def test_a_fifth_is_seen(noise: float, rounds: int) -> None:
    assert alarms(1.2, noise, rounds) > 0.95
