"""A worker's death is told by its lock on one machine, by its silence on another, and by no clock of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from yolact_deploy.inference.shards.liveness import Heartbeat, Timing, Watch, WorkerState, worker_path

TIMING = Timing(beat=3600.0, stale=60.0, look=2.0)


class Clock:
    """Monotonic time that a test moves, s."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def beat(folder: Path, name: str, number: int, has_ended: bool = False) -> None:
    path = worker_path(folder, name)
    path.write_bytes(WorkerState("elsewhere", True, number, 5, has_ended).to_bytes())
    os.utime(path, (number, number))  # decades away from this machine's clock, and not looked at


def test_silence_counts_while_somebody_looks(tmp_path: Path, clock: Clock) -> None:
    watch = Watch(tmp_path, TIMING, "here", clock)
    beat(tmp_path, "other", 1)
    looks = [watch.is_dead("other")]
    for _ in range(30):
        clock.pass_(2.0)
        looks.append(watch.is_dead("other"))
    assert looks == [False] * 30 + [True]


def test_a_sign_of_life_begins_the_count_anew(tmp_path: Path, clock: Clock) -> None:
    watch = Watch(tmp_path, TIMING, "here", clock)
    for number in range(100):
        beat(tmp_path, "other", number // 25)  # every 50 s: slow, but alive
        clock.pass_(2.0)
        assert not watch.is_dead("other")


def test_who_slept_knows_nothing_of_the_time_between(tmp_path: Path, clock: Clock) -> None:
    """As a suspended process, or one whose network was away as long as everybody's."""
    watch = Watch(tmp_path, TIMING, "here", clock)
    beat(tmp_path, "other", 1)
    for _ in range(14):
        assert not watch.is_dead("other")
        clock.pass_(10_000.0)
    assert not watch.is_dead("other")


def test_an_orderly_end_and_a_missing_file(tmp_path: Path, clock: Clock) -> None:
    watch = Watch(tmp_path, TIMING, "here", clock)
    beat(tmp_path, "ended", 1, has_ended=True)
    assert watch.is_dead("ended")
    assert not watch.is_dead("removed")  # not known yet
    for _ in range(30):
        clock.pass_(2.0)
        watch.is_dead("removed")
    assert watch.is_dead("removed")


def test_a_lock_tells_at_once_on_one_machine_alone(tmp_path: Path, clock: Clock) -> None:
    heart = Heartbeat(tmp_path, TIMING, "here")
    here, there = Watch(tmp_path, TIMING, "here", clock), Watch(tmp_path, TIMING, "there", clock)
    assert not here.is_dead(heart.name)
    heart._end.set()
    heart._thread.join()
    os.close(heart._descriptor)  # as the kernel does for a process that was killed
    assert here.is_dead(heart.name)
    assert not there.is_dead(heart.name)


def test_signs_of_life_change_the_file_and_keep_its_size(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path, Timing(beat=0.001), "here")
    seen = set()
    while len(seen) < 3:
        seen.add(worker_path(tmp_path, heart.name).read_bytes())
    heart.close()
    seen.add(worker_path(tmp_path, heart.name).read_bytes())
    assert {len(data) for data in seen} == {512}
    assert Watch(tmp_path, TIMING).is_dead(heart.name)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"machine": 7}', b'{"beat": true}', b'{"other": 1}', b"\xff" * 99]
)
def test_a_torn_record_says_nothing(data: bytes) -> None:
    assert WorkerState.from_bytes(data) == WorkerState()
