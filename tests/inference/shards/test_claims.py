"""One worker has a shard at a time, whoever sees what late."""

from __future__ import annotations

import threading
from pathlib import Path

from yolact_deploy.inference.shards.claims import Claim, Claims
from yolact_deploy.inference.shards.liveness import Timing, Watch, WorkerState, worker_path


def claims(folder: Path, name: str) -> Claims:
    for part in ("claims", "workers"):
        (folder / part).mkdir(exist_ok=True)
    return Claims(folder / "claims", name, Watch(folder / "workers", Timing()))


def end(folder: Path, name: str) -> None:
    worker_path(folder / "workers", name).write_bytes(WorkerState(has_ended=True).to_bytes())


def test_one_of_many_gets_it(tmp_path: Path) -> None:
    workers = [claims(tmp_path, f"w{number}") for number in range(16)]
    ready, got = threading.Barrier(16), []

    def run(worker: Claims) -> None:
        ready.wait()
        got.extend(number for number in range(20) if worker.take(Claim(number)))

    threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(20))


def test_two_that_find_a_worker_dead_do_not_both_take_its_shard(tmp_path: Path) -> None:
    dead, first, second = (claims(tmp_path, name) for name in ("dead", "first", "second"))
    assert dead.take(Claim(7))
    end(tmp_path, "dead")
    seen = {name: worker.newest()[7] for name, worker in (("first", first), ("second", second))}
    assert first.is_free(seen["first"])
    assert second.is_free(seen["second"])
    assert first.take(Claim(7, 1))
    assert not second.take(Claim(7, 1))
    assert second.newest()[7] == Claim(7, 1)
    assert not second.is_free(Claim(7, 1))
    assert second.owner(Claim(7, 1)) == "first"


def test_marks_of_earlier_workers(tmp_path: Path) -> None:
    worker = claims(tmp_path, "w")
    for generation, marks in enumerate((["4"], [], ["4", "5"], ["6", "-"])):
        claim = Claim(3, generation)
        assert worker.take(claim)
        for mark in marks:
            worker.mark(claim, mark)
    assert worker.suspects(Claim(3, 4)) == {4, 5}
    assert worker.suspects(Claim(3, 0)) == set()


def test_other_files_are_no_claims(tmp_path: Path) -> None:
    worker = claims(tmp_path, "w")
    for name in ("000001", "x.1", "000001.0.part", ".000001.0", "1.0"):
        (tmp_path / "claims" / name).touch()
    assert worker.newest() == {}
