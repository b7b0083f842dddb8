"""Time that passes only when a call takes it, or somebody sleeps."""

from __future__ import annotations

import time

import pytest


class Clock:
    """Stands in for `time.perf_counter` and `time.sleep`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds_a_call: float = 0.0) -> None:
        self.now = 0.0
        self.seconds = seconds_a_call
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.pass_by)

    def pass_by(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def call(self, index: int) -> None:
        """Something that takes its time."""
        self.now += self.seconds
