"""PyTorch's stages on CUDA are timed by events. A stand-in for the stream: no GPU is needed, and none is measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from yolact_deploy.benchmarks.performance import pipeline_stages as stages
from yolact_deploy.benchmarks.performance.pipeline_stages import RuntimeStages, by_cuda_events
from yolact_deploy.benchmarks.performance.timing import by_clock


class Stream:
    """Works on what it was given only when somebody waits for it; stands in for `torch.cuda`."""

    def __init__(self) -> None:
        self.now = 0.0  # ms
        self.pending: list[Any] = []
        stream = self

        class Event:
            """Stands in for `torch.cuda.Event`."""

            def __init__(self, enable_timing: bool = False) -> None:
                assert enable_timing
                self.at: float | None = None

            def record(self) -> None:
                stream.pending.append(self)

            def synchronize(self) -> None:
                stream.synchronize()

            def elapsed_time(self, end: Event) -> float:
                assert self.at is not None
                assert end.at is not None
                return end.at - self.at

        self.Event = Event

    def synchronize(self) -> None:
        """Do all the work."""
        for item in self.pending:
            if isinstance(item, float):
                self.now += item
            else:
                item.at = self.now
        self.pending.clear()


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    """Takes the place of PyTorch's."""
    made = Stream()
    monkeypatch.setattr(stages, "require", lambda name, purpose: SimpleNamespace(cuda=made))
    return made


def test_a_stage_is_billed_for_its_own_work_only(stream: Stream) -> None:
    stream.pending.append(500.0)  # what the stage before left behind
    found_at: list[float] = []

    def stage() -> None:
        found_at.append(stream.now)
        stream.pending.append(7.0)

    assert by_cuda_events(stage) == pytest.approx(0.007)
    assert found_at == [500.0]  # it began on an empty stream
    assert not stream.pending  # nothing is left for the stage after
    assert by_cuda_events(lambda: stream.pending.extend((2.0, 3.0))) == pytest.approx(0.005)
    assert stream.now == 512.0


@pytest.mark.parametrize(("device", "timer"), [("cuda", by_cuda_events), ("cpu", by_clock)])
def test_events_are_for_cuda_only(device: str, timer: object) -> None:
    predictor: Any = SimpleNamespace(runtime=SimpleNamespace(device=device))
    staged = RuntimeStages(predictor)
    assert staged.timer is timer
    assert ("by CUDA events" in staged.note) == (device == "cuda")
    assert "by CUDA events" not in RuntimeStages.note
