"""Workers that are killed, cut off or out of room: every picture exactly once, equal to plain infer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.inference.shards.cases import OPTIONS, PICTURES, QUICK, SHARD_SIZE, join, make_source, merged, plain
from yolact_deploy.errors import DataError, OutputError
from yolact_deploy.inference.options import InferOptions
from yolact_deploy.inference.selection import select
from yolact_deploy.inference.shards.claims import Claim
from yolact_deploy.inference.shards.job import open_job
from yolact_deploy.inference.shards.merge import merge_shards
from yolact_deploy.inference.shards.order import WorkOrder
from yolact_deploy.inference.shards.results import missing_shards, read_shard
from yolact_deploy.inference.shards.team import Team
from yolact_deploy.inference.shards.worker import ShardWorker, WorkReport
from yolact_deploy.predictor import Predictor


@pytest.fixture(scope="module")
def predictor(nano_onnx: Path) -> Iterator[Predictor]:
    with Predictor.open(nano_onnx) as opened:
        yield opened


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("job") / "source")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, source: Path, predictor: Predictor) -> bytes:
    return plain(source, tmp_path_factory.mktemp("plain") / "a.json", predictor)


def work(folder: Path, source: Path, predictor: Predictor, machine: str | None = None) -> WorkReport:
    """One worker in this process, to the end."""
    with ShardWorker(join(folder, source, predictor), source, predictor, OPTIONS, QUICK, machine) as worker:
        return worker.run()


def start(folder: Path, source: Path, model: Path, machine: str = "a", fault: str = "none") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.inference.shards.process", folder, source, model, machine, fault]
    return subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True, cwd=ROOT)


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def results(folder: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(path.name for path in (folder / "results").glob("0*"))
    return []


def test_one_worker_does_what_infer_does(tmp_path: Path, source: Path, predictor: Predictor, expected: bytes) -> None:
    report = work(tmp_path / "job", source, predictor)
    assert (report.shards, report.pictures, report.failures) == (4, 8, [])
    assert merged(tmp_path / "job", tmp_path / "a.json") == expected
    again = work(tmp_path / "job", source, predictor)
    assert (again.shards, again.pictures) == (0, 0)
    assert len(json.loads(expected)["annotations"]) > 20


def test_workers_of_one_process_share_the_pictures(
    tmp_path: Path, source: Path, predictor: Predictor, expected: bytes
) -> None:
    job = join(tmp_path / "job", source, predictor)
    seen: list[tuple[int, int | None]] = []
    workers = [
        ShardWorker(job, source, predictor, OPTIONS, QUICK, advance=lambda *found: seen.append(found)) for _ in range(2)
    ]
    reports: list[WorkReport] = []
    threads = [threading.Thread(target=lambda one=one: reports.append(one.run())) for one in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for worker in workers:
        worker.__exit__()
    assert sum(report.shards for report in reports) == 4
    assert merged(tmp_path / "job", tmp_path / "a.json") == expected
    assert seen[-1] == (8, 8)


def test_power_is_cut_between_write_and_rename(
    tmp_path: Path, source: Path, nano_onnx: Path, predictor: Predictor, expected: bytes
) -> None:
    folder = tmp_path / "job"
    process = start(folder, source, nano_onnx, fault="cut")
    assert process.wait(60) == -signal.SIGKILL
    assert process.stderr is not None
    process.stderr.close()
    assert len(results(folder)) == 1
    assert len(list((folder / "results").glob(".*.part*"))) == 1  # written, and never named
    report = work(folder, source, predictor, machine="b")  # of another machine: told by silence alone
    assert report.shards == 3
    assert merged(folder, tmp_path / "a.json") == expected


def test_two_machines_of_which_one_is_killed(
    tmp_path: Path, source: Path, nano_onnx: Path, predictor: Predictor, expected: bytes
) -> None:
    """Two process trees with nothing in common but the folder."""
    folder = tmp_path / "job"
    first = start(folder, source, nano_onnx, "a", "cut")
    second = start(folder, source, nano_onnx, "b")
    assert second.wait(60) == 0
    assert first.wait(60) in (0, -signal.SIGKILL)  # the second may have finished the first shard
    for process in (first, second):
        assert process.stderr is not None
        process.stderr.close()
    assert merged(folder, tmp_path / "a.json") == expected


def test_a_full_disk_stops_one_worker_alone(
    tmp_path: Path, source: Path, nano_onnx: Path, predictor: Predictor, expected: bytes
) -> None:
    folder = tmp_path / "job"
    process = start(folder, source, nano_onnx, fault="full")
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.count("\n") == 1
    assert "No space left on device" in stderr
    assert len(results(folder)) == 1
    assert list((folder / "results").glob(".*.part*")) == []
    report = work(folder, source, predictor, machine="b")
    assert report.shards == 3  # at once: the other one said that it ended
    assert merged(folder, tmp_path / "a.json") == expected


def test_a_picture_that_kills_its_worker_is_passed_over(
    tmp_path: Path, source: Path, nano_onnx: Path, predictor: Predictor
) -> None:
    """The job is done although no worker can live with the third picture."""
    folder = tmp_path / "job"
    statuses = []
    while not statuses or statuses[-1] != 0:
        process = start(folder, source, nano_onnx, fault="poison")
        statuses.append(process.wait(60))
        assert process.stderr is not None
        process.stderr.close()
        assert len(statuses) < 6
    assert statuses == [-signal.SIGKILL] * 3 + [0]
    report = merge_shards(open_job(folder), InferOptions("", json=tmp_path / "a.json"), print)
    assert report.pictures == 7
    assert len(report.failures) == 1
    assert report.failures[0].startswith(f"{PICTURES[2].name}: ")


def order(folder: Path, source: Path, model: Path) -> WorkOrder:
    names = tuple(path.name for path in PICTURES)
    choose = partial(select, default=0.3)
    return WorkOrder(folder, source, names, OPTIONS, model, {"threads": 1}, choose, SHARD_SIZE, QUICK)


def test_a_killed_process_of_a_team_is_replaced(tmp_path: Path, source: Path, nano_onnx: Path, expected: bytes) -> None:
    folder = tmp_path / "job"
    team = Team(order(folder, source, nano_onnx), 2)
    seen: list[int] = []
    thread = threading.Thread(target=team.run, args=(lambda done, total: seen.append(done),))
    thread.start()
    claims: list[str] = []  # a claim is a file before it says whose it is
    wait_for(lambda: claims.extend(filter(None, (path.read_text() for path in folder.glob("claims/*")))) or claims)
    owner = claims[0].split("\n")[0]
    os.kill(int(owner.split("-")[-2]), signal.SIGKILL)
    thread.join(60)
    assert not thread.is_alive()
    assert team.report.errors == []
    assert team.report.restarts == 1
    assert merged(folder, tmp_path / "a.json") == expected


def test_every_process_is_killed_and_the_next_run_goes_on(
    tmp_path: Path, source: Path, nano_onnx: Path, predictor: Predictor, expected: bytes
) -> None:
    folder = tmp_path / "job"
    command = ["infer", source, "-m", nano_onnx, "--shards", folder, "--shard-size", SHARD_SIZE, "--workers", 2]
    with subprocess.Popen([sys.executable, "-m", "yolact_deploy", *map(str, command)], cwd=ROOT) as process:
        wait_for(lambda: results(folder))
        process.kill()
    for path in folder.glob("workers/*.json"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(path.stem.split("-")[-2]), signal.SIGKILL)
    done = len(results(folder))
    options = InferOptions("", shards=folder, selection=OPTIONS.selection)
    job, _ = order(folder, source, nano_onnx).join(predictor)
    with ShardWorker(job, source, predictor, options, QUICK) as worker:
        assert worker.run().shards == 4 - done
    assert merged(folder, tmp_path / "a.json") == expected


def test_workers_end_with_whoever_started_them(tmp_path: Path, source: Path, nano_onnx: Path) -> None:
    team = Team(order(tmp_path / "job", source, nano_onnx), 1)
    thread = threading.Thread(target=team.run)
    thread.start()
    wait_for(team._has_joined.is_set)
    team.stop()  # closes the worker's input, as the kernel does for a process that is killed
    thread.join(30)
    assert not thread.is_alive()
    assert team.report.errors == []


def test_a_stopped_worker_leaves_its_shard_to_others(
    tmp_path: Path, source: Path, predictor: Predictor, expected: bytes
) -> None:
    job = join(tmp_path / "job", source, predictor)
    with ShardWorker(job, source, predictor, OPTIONS, QUICK) as worker:
        detect = worker._stages.detect
        worker._stages.detect = lambda frame: (worker.stop(), detect(frame))[1]  # type: ignore[method-assign]
        report = worker.run()
    assert (report.shards, results(tmp_path / "job")) == (0, [])
    assert work(tmp_path / "job", source, predictor).shards == 4
    assert merged(tmp_path / "job", tmp_path / "a.json") == expected


def test_bad_pictures_are_listed(tmp_path: Path, predictor: Predictor) -> None:
    source = make_source(tmp_path / "source")
    (source / "000000000001.jpg").write_bytes(b"no picture")
    (source / "empty.png").touch()
    options = InferOptions("", shards=tmp_path)
    job = join(tmp_path / "job", source, predictor)
    with ShardWorker(job, source, predictor, options, QUICK) as worker:
        assert len(worker.run().failures) == 2
    report = merge_shards(job, InferOptions("", json=tmp_path / "a.json"), print)
    assert report.pictures == 8
    assert ["000000000001.jpg" in report.failures[0], "empty.png" in report.failures[1]] == [True, True]


def test_a_result_that_another_worker_wrote_first_stays(tmp_path: Path, source: Path, predictor: Predictor) -> None:
    job = join(tmp_path / "job", source, predictor)
    with ShardWorker(job, source, predictor, OPTIONS, QUICK) as slow:
        assert work(tmp_path / "job", source, predictor, machine="b").shards == 4
        before = job.result_path(1).stat().st_mtime_ns
        assert not slow.work(1)
        assert slow._claims.take(Claim(1, 7))
        assert slow._work(Claim(1, 7))  # as one that was suspended, and taken for dead
    assert job.result_path(1).stat().st_mtime_ns == before
    assert len(results(tmp_path / "job")) == 4


def test_what_cannot_be_merged(tmp_path: Path, source: Path, predictor: Predictor) -> None:
    job = join(tmp_path / "job", source, predictor)
    with ShardWorker(job, source, predictor, OPTIONS, QUICK) as worker:
        assert worker.work(0)
        assert worker.work(2)
    target = tmp_path / "a.json"
    with pytest.raises(DataError, match=r"2 of 4 shards are missing \(1, 3\)"):
        merge_shards(job, InferOptions("", json=target), print)
    work(tmp_path / "job", source, predictor)
    assert missing_shards(job) == []
    with pytest.raises(OutputError, match="only JSON files"):
        merge_shards(job, InferOptions("", tmp_path / "out", json=target), print)
    with pytest.raises(OutputError, match="would replace"):
        merge_shards(job, InferOptions("", json=job.result_path(0), force=True), print)
    path = job.result_path(2)
    whole = path.read_text()
    for damage in (
        whole[: len(whole) // 2],
        "",
        whole.replace('"index": 4', '"index": 5'),
        whole.replace(job.identity, "0" * 64),
        whole.replace('"class": ', '"class": 9'),
        whole.replace('"counts": "', '"counts": "~'),
        whole.split("\n", 1)[1],
        job.result_path(1).read_text(),
    ):
        path.write_text(damage)
        with pytest.raises(DataError, match=r"000002\.jsonl is damaged"):
            read_shard(job, 2)
        with pytest.raises(DataError, match="delete it, and start the job again"):
            merge_shards(job, InferOptions("", json=target), print)
    assert not target.exists()
    path.unlink()
    work(tmp_path / "job", source, predictor)
    merged(tmp_path / "job", target)
