"""Time that passes only when a call takes it, or somebody sleeps."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from yolact_deploy.benchmarks.performance import core_wait


class Clock:
    """Stands in for `time.perf_counter` and `time.sleep`; nobody waits for a core."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds_a_call: float = 0.0) -> None:
        self.now = 0.0
        self.seconds = seconds_a_call
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.pass_by)
        monkeypatch.setattr(core_wait, "PROC", Path("nowhere"))

    def pass_by(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def call(self, index: int) -> None:
        """Something that takes its time."""
        self.now += self.seconds
