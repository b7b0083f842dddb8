"""How far a job is, over all its workers."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from .claims import Claims
from .job import ShardJob
from .liveness import Watch


@dataclass(frozen=True)
class JobProgress:
    """What all workers together have done."""

    shards: int  # finished
    pictures: int  # of those, and of the shards that are being worked on
    workers: int  # that are alive and have a shard


def look_at(job: ShardJob, claims: Claims, watch: Watch) -> JobProgress:
    """See how far `job` is, from its folder."""
    finished = job.finished()
    pictures, workers = job.pictures_in(finished), set()
    with contextlib.suppress(OSError):  # a file system that is away for a moment
        for shard, claim in claims.newest().items():
            owner = claims.owner(claim)
            if shard not in finished and owner and not watch.is_dead(owner):
                workers.add(owner)
                pictures += watch.state(owner).pictures
    return JobProgress(len(finished), pictures, len(workers))
