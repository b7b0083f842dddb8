"""`infer --shards` and `infer --merge`: many pictures, many workers, one result."""

from __future__ import annotations

import dataclasses
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import console
from ..errors import ConfigError, YolactDeployError
from .infer_setup import signals_stop, tell_ids

if TYPE_CHECKING:
    from ..inference.options import InferOptions
    from ..inference.selection import Selection
    from ..inference.shards.job import ShardJob
    from ..inference.shards.order import WorkOrder
    from ..inference.shards.worker import WorkReport
    from ..predictor import Predictor

_MAX_TOLD = 20  # pictures that could not be used; --merge names them all


def run_shards(
    folder: Path,
    workers: int | None,
    shard_size: int | None,
    options: InferOptions,
    model: Path,
    opening: dict[str, Any],
    select: Callable[[Predictor], Selection],
) -> int:
    """Take part in the job of `folder` until it is done; returns the exit status.

    Raises YolactDeployError when the folder is of another job, or no worker of this run could go on.
    """
    from ..inference.shards.job import SHARD_SIZE, check_folder
    from ..inference.shards.merge import check_mergeable
    from ..inference.shards.order import WorkOrder, threads_per_worker
    from ..inference.sources import find_job

    check_mergeable(options)
    if options.files or options.annotations is not None:
        raise ConfigError("--shards keeps its own files: pass --json and its like with --merge, when the job is done")
    if options.raw_size is not None or options.rate is not None or options.is_live or options.every != 1:
        raise ConfigError("--shards is for pictures: videos and streams are read by infer without it")
    check_folder(folder)
    notes: list[str] = []
    found = find_job(options, notes.append, folder)
    count = workers or 1
    if count > 1 and opening.get("threads") is None:
        opening = {**opening, "threads": threads_per_worker(count)}
    order = WorkOrder(folder, found.root, found.names, options, model, opening, select, shard_size or SHARD_SIZE)
    status = _run_here(order) if count == 1 else _run_team(order, count)
    for text in notes:
        console.warn(text)
    return status


def _run_here(order: WorkOrder) -> int:
    with order.open_predictor() as predictor, console.progress("images", shows_rate=True) as advance:
        console.explain(predictor.description)
        job, options = order.join(predictor)
        from ..inference.shards.worker import ShardWorker

        with (
            ShardWorker(job, order.root, predictor, options, order.timing, advance=advance) as worker,
            signals_stop(worker.stop) as received,
        ):
            report = worker.run()
    _tell(job, [report], report.seconds)
    return _ended(received)


def _run_team(order: WorkOrder, workers: int) -> int:
    from ..inference.shards.job import open_job
    from ..inference.shards.results import missing_shards
    from ..inference.shards.team import Team

    team = Team(order, workers, console.VERBOSE.get())
    start = time.monotonic()
    with signals_stop(team.stop) as received, console.progress("images", shows_rate=True) as advance:
        report = team.run(advance)
    errors = list(dict.fromkeys(report.errors))
    if errors and not report.done and not received:
        raise YolactDeployError(errors[0])
    job = open_job(order.folder)
    _tell(job, report.done, time.monotonic() - start)
    if report.restarts:
        console.warn(f"{report.restarts} workers were killed and started again")
    for text in errors:
        console.warn(f"a worker stopped: {text}")
    if missing_shards(job) and not received:
        raise YolactDeployError(errors[0] if errors else "the workers ended early: start the same command again")
    return _ended(received)


def _tell(job: ShardJob, reports: Sequence[WorkReport], seconds: float) -> None:
    from ..inference.shards.results import missing_shards

    pictures, shards = sum(report.pictures for report in reports), sum(report.shards for report in reports)
    failures = [line for report in reports for line in report.failures]
    done = job.shards - len(missing_shards(job))
    console.say(
        f"{pictures} images in {shards} shards by this run, {pictures / max(seconds, 1e-9):.1f} images per second; "
        f"{done} of {job.shards} shards of {len(job.names)} images are done"
    )
    for line in failures[:_MAX_TOLD]:
        console.warn(line)
    if len(failures) > _MAX_TOLD:
        console.warn(f"{len(failures) - _MAX_TOLD} more images of this run could not be used: --merge names them")
    for text in dict.fromkeys(text for report in reports for text in report.notes):
        console.warn(text)
    if done == job.shards:
        console.say(f"to join them: yolact-deploy infer --merge {job.folder} --json FILE")


def _ended(received: Sequence[signal.Signals]) -> int:
    if received:
        signal.raise_signal(received[0])  # everything is put away: now it ends this command as any other
    return 0


def run_merge(folder: Path, options: InferOptions) -> int:
    """Write the files of a job that is done; returns the exit status: 1 when some pictures could not be used.

    Raises YolactDeployError when shards are missing, or a file cannot be written.
    """
    from ..inference.shards.job import open_job
    from ..inference.shards.merge import merge_shards

    job = open_job(folder)
    notes: list[str] = []
    options = dataclasses.replace(options, source=str(folder))
    with console.progress("images") as advance:
        report = merge_shards(job, options, notes.append, advance)
    places = ["standard output" if str(place) == console.STDOUT else str(place) for place in options.files]
    with redirect_stdout(sys.stderr) if console.STDOUT in map(str, options.files) else nullcontext():
        where = ", ".join(places)
        console.say(f"{report.pictures} of {len(job.names)} images written to {where}, {report.detections} detections")
        tell_ids(options)
    for text in notes:
        console.warn(text)
    for line in report.failures:
        console.fail(line)
    return 1 if report.failures else 0
