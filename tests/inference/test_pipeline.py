"""The stages overlap, keep the order, and end as one: at the end, at a stop, and at an error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from yolact_deploy.errors import ImageError, OutputError
from yolact_deploy.inference.channel import Channel
from yolact_deploy.inference.frames import Failure, Frame, Result
from yolact_deploy.inference.pipeline import Pipeline
from yolact_deploy.types import NetworkDetections, WindowedDetections

NOTHING = NetworkDetections(
    np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros((0, 2, 2), np.float32),
    np.zeros(0, np.float32),
)  # fmt: skip
EMPTY = WindowedDetections(
    np.zeros((0, 4), np.int64), NOTHING.scores, NOTHING.scores, NOTHING.classes, masks=(), height=4, width=4
)


class Numbers:
    """A source of `count` frames; those in `bad` cannot be read."""

    def __init__(self, count: int, bad: tuple[int, ...] = (), is_live: bool = False) -> None:
        self.total: int | None = count
        self.bad, self.is_live = bad, is_live
        self.read = 0
        self.is_read = self.is_closed = False

    def frames(self) -> Iterator[Frame | Failure]:
        for index in range(self.total or 0):
            self.read += 1
            if index in self.bad:
                yield Failure(f"bad {index}")
            else:
                yield Frame(index, index + 1, str(index), np.zeros((4, 4, 3), np.uint8))
        self.is_read = True

    def close(self) -> None:
        self.is_closed = True


class Recorder:
    """A sink that remembers."""

    needs_drawing = False

    def __init__(self, fails_at: int | None = None) -> None:
        self.indices: list[int] = []
        self.kept: bool | None = None
        self.fails_at = fails_at

    def write(self, result: Result) -> None:
        if result.frame.index == self.fails_at:
            raise OutputError("disk full")
        self.indices.append(result.frame.index)

    def close(self, keep: bool) -> None:
        self.kept = keep


def render(frame: Frame, found: NetworkDetections) -> Result:
    return Result(frame, EMPTY, None)


def test_order_failures_and_progress() -> None:
    source, sink = Numbers(40, bad=(3, 39)), Recorder()
    told: list[tuple[int, int | None]] = []
    report = Pipeline(source, lambda frame: NOTHING, render, [sink]).run(lambda done, total: told.append((done, total)))
    assert sink.indices == [index for index in range(40) if index not in (3, 39)]
    assert report.failures == ("bad 3", "bad 39")
    assert (report.frames, report.was_stopped, sink.kept, source.is_closed) == (38, False, True, True)
    assert told == [(done, 40) for done in range(1, 41)]
    assert [stage.name for stage in report.stages] == ["decode", "model", "draw", "write"]
    assert [stage.frames for stage in report.stages[1:]] == [38, 38, 38]


def reached(condition: Callable[[], bool]) -> bool:
    """Wait until it holds, or too long."""
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    return condition()


def test_stages_overlap() -> None:
    """Each stage ends a frame only when the stage before it has begun the next one."""
    count, source = 20, Numbers(20)
    detected: list[int] = []
    met: list[bool] = []

    def waiting_detect(frame: Frame) -> NetworkDetections:
        detected.append(frame.index)
        met.append(reached(lambda: source.read > min(frame.index + 1, count - 1)))
        return NOTHING

    def waiting_render(frame: Frame, found: NetworkDetections) -> Result:
        met.append(reached(lambda: len(detected) > min(frame.index + 1, count - 1)))
        return render(frame, found)

    Pipeline(source, waiting_detect, waiting_render, [Recorder()]).run()
    assert met == 2 * count * [True]


def test_a_stage_is_not_billed_for_its_waiting() -> None:
    def slow_detect(frame: Frame) -> NetworkDetections:
        time.sleep(0.02)
        return NOTHING

    report = Pipeline(Numbers(20), slow_detect, render, [Recorder()]).run()
    _, model, draw, _ = report.stages
    assert report.seconds >= model.seconds >= 20 * 0.02
    assert draw.seconds < model.seconds / 2
    assert model.fps == pytest.approx(20 / model.seconds)


def test_a_slow_consumer_holds_up_the_source() -> None:
    source, release = Numbers(1000), threading.Event()

    def blocked(frame: Frame) -> NetworkDetections:
        release.wait(5)
        return NOTHING

    pipeline = Pipeline(source, blocked, render, [Recorder()])
    thread = threading.Thread(target=pipeline.run)
    thread.start()
    time.sleep(0.2)
    read = source.read
    pipeline.stop()
    release.set()
    thread.join(10)
    assert read < 10
    assert not thread.is_alive()


def test_stop_finishes_what_was_detected() -> None:
    sink = Recorder()

    def detect(frame: Frame) -> NetworkDetections:
        if frame.index == 5:
            pipeline.stop()
        return NOTHING

    pipeline = Pipeline(Numbers(10_000), detect, render, [sink])
    report = pipeline.run()
    assert report.was_stopped
    assert sink.indices == list(range(6))
    assert sink.kept is True


@pytest.mark.parametrize("stage", ["detect", "render", "write"])
def test_an_error_ends_all_and_keeps_nothing(stage: str) -> None:
    def detect(frame: Frame) -> NetworkDetections:
        if stage == "detect" and frame.index == 7:
            raise OutputError("disk full")
        return NOTHING

    def broken_render(frame: Frame, found: NetworkDetections) -> Result:
        if stage == "render" and frame.index == 7:
            raise OutputError("disk full")
        return render(frame, found)

    source, sink = Numbers(10_000), Recorder(7 if stage == "write" else None)
    with pytest.raises(OutputError, match="disk full"):
        Pipeline(source, detect, broken_render, [sink]).run()
    assert sink.kept is False
    assert source.read < 100
    assert source.is_closed


def test_a_picture_that_does_not_fit_fails_alone() -> None:
    def detect(frame: Frame) -> NetworkDetections:
        if frame.index == 1:
            raise ImageError("too large")
        return NOTHING

    sink = Recorder()
    report = Pipeline(Numbers(3), detect, render, [sink]).run()
    assert sink.indices == [0, 2]
    assert report.failures == ("1: too large",)


def test_of_a_live_source_the_newest_frame_is_next() -> None:
    """And none waits behind it: what is shown is what is now."""
    source, sink = Numbers(10, is_live=True), Recorder()

    def detect(frame: Frame) -> NetworkDetections:
        reached(lambda: source.is_read)
        return NOTHING

    report = Pipeline(source, detect, render, [sink]).run()
    assert sink.indices[-1] == 9
    assert len(sink.indices) <= 2
    assert report.frames + report.dropped == 10


def test_the_end_of_a_live_source_displaces_no_frame() -> None:
    """Its last frame was accepted while the model was busy; then comes the failure that says why there are no more."""

    detected: list[int] = []
    sink = Recorder()

    class Unplugged(Numbers):
        def frames(self) -> Iterator[Frame | Failure]:
            for item in super().frames():
                if isinstance(item, Frame):
                    reached(lambda index=item.index: len(detected) >= index)  # so that none is dropped
                yield item
            yield Failure("gave no more pictures")

    source = Unplugged(4, is_live=True)

    def detect(frame: Frame) -> NetworkDetections:
        detected.append(frame.index)
        if frame.index == 2:
            reached(lambda: source.read == 4)
            time.sleep(0.05)  # frame 3 waits in the queue, and the failure comes
        return NOTHING

    report = Pipeline(source, detect, render, [sink]).run()
    assert sink.indices == [0, 1, 2, 3]
    assert (report.dropped, report.failures) == (0, ("gave no more pictures",))


def test_a_live_channel_keeps_the_newest_and_what_is_no_frame() -> None:
    channel: Channel[int | str] = Channel(2, threading.Event(), lambda item: isinstance(item, int))
    for item in range(5):
        assert channel.put(item)
    late = threading.Thread(target=lambda: (channel.put("end"), channel.close()))
    late.start()
    assert [channel.get(), channel.get(), channel.get(), channel.get()] == [3, 4, "end", None]
    assert channel.dropped == 3
    late.join()


def test_a_sink_that_cannot_be_closed_leaves_the_others_their_files() -> None:
    class Stuck(Recorder):
        def close(self, keep: bool) -> None:
            raise OutputError("disk full")

    sinks = [Recorder(), Stuck(), Recorder()]
    with pytest.raises(OutputError, match="disk full"):
        Pipeline(Numbers(3), lambda frame: NOTHING, render, sinks).run()
    assert [sinks[0].kept, sinks[2].kept] == [True, True]
