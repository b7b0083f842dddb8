"""One worker: it takes shards until all are done, its own and those of workers that died."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import OutputError
from ...predictor import Predictor
from ...types import Advance
from ..options import InferOptions
from ..picture_sources import FoundPictures, PictureFiles
from ..pipeline import Pipeline, PipelineReport
from ..run import FrameStages
from .claims import Claim, Claims
from .job import ShardJob
from .liveness import Heartbeat, Timing, Watch
from .overview import look_at
from .results import ShardSink, missing_shards, write_shard

CAREFUL_GENERATION = 2  # a shard that so many workers died of is read one picture at a time


@dataclass
class WorkReport:
    """What one worker did."""

    shards: int = 0
    pictures: int = 0  # read and written
    failures: list[str] = field(default_factory=list)  # a line for each picture that could not be used
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


class ShardWorker:
    """A worker with a model. Use it as a context manager: its end frees what it had claimed."""

    def __init__(
        self,
        job: ShardJob,
        root: Path,
        predictor: Predictor,
        options: InferOptions,
        timing: Timing | None = None,
        machine: str | None = None,
        advance: Advance | None = None,
    ) -> None:
        """root: the folder that the job's names are relative to. machine: None for this one. advance: hears of the
        pictures that all workers have done, in a thread of its own.

        Raises OutputError when the folder of the job cannot be written.
        """
        self._job, self._root, self._options = job, root, options
        self._timing = timing or Timing()
        self._advance = advance
        self._stages = FrameStages(predictor, options)
        self._watch = Watch(job.workers, self._timing, machine)
        self._stop = threading.Event()
        self._pipeline: Pipeline | None = None
        try:
            self._heartbeat = Heartbeat(job.workers, self._timing, machine, self._tell)
        except OSError as error:
            raise OutputError(f"cannot write into {job.workers}: {error.strerror or error}") from None
        self._claims = Claims(job.claims, self._heartbeat.name, self._watch)
        self._order = list(range(job.shards))
        random.Random(self._heartbeat.name).shuffle(self._order)  # or workers would meet at the same shards
        self.report = WorkReport()

    def __enter__(self) -> ShardWorker:
        return self

    def __exit__(self, *error: object) -> None:
        self._heartbeat.close()

    def stop(self) -> None:
        """Leave the shard that is worked on to another run; safe in a signal handler."""
        self._stop.set()
        if self._pipeline is not None:
            self._pipeline.stop()

    def run(self) -> WorkReport:
        """Work until every shard of the job is done, whoever does it, or `stop`.

        Raises OutputError when a result cannot be written, and what the model raises.
        """
        start = time.monotonic()
        while not self._stop.is_set() and (missing := missing_shards(self._job)):
            claim = self._take_one(set(missing))
            if claim is None:
                self._stop.wait(self._timing.look)
            else:
                self._work(claim)
        self._tell()
        self.report.seconds = time.monotonic() - start
        return self.report

    def work(self, shard: int) -> bool:
        """See one shard done: by this worker, then the answer is True, or by whoever has it. Raises as `run`."""
        while not self._stop.is_set() and not self._job.result_path(shard).exists():
            if (claim := self._take(shard, self._claims.newest())) is not None:
                return self._work(claim)
            self._stop.wait(self._timing.look)
        return False

    def _take_one(self, missing: set[int]) -> Claim | None:
        """Claim a shard that nobody has or, when there is none, that of a dead worker."""
        newest = self._claims.newest()
        wanted = [shard for shard in self._order if shard in missing]
        for shard in sorted(wanted, key=lambda shard: shard in newest):
            if (claim := self._take(shard, newest)) is not None:
                return claim
        return None

    def _take(self, shard: int, newest: dict[int, Claim]) -> Claim | None:
        last = newest.get(shard)
        if last is not None and not self._claims.is_free(last):
            return None
        claim = Claim(shard, 0 if last is None else last.generation + 1)
        return claim if self._claims.take(claim) else None

    def _work(self, claim: Claim) -> bool:
        """Whether the shard was done to its end."""
        sink, notes = ShardSink(), list[str]()
        self._heartbeat.pictures = 0
        is_careful = claim.generation >= CAREFUL_GENERATION
        failures = self._read_carefully(claim, sink, notes) if is_careful else self._read_all(claim, sink, notes)
        if self._stop.is_set():
            return False
        write_shard(self._job, claim.shard, sink, failures, notes)
        self._heartbeat.pictures = 0
        self.report.shards += 1
        self.report.pictures += len(sink.lines)
        self.report.failures += failures
        self.report.notes += notes
        return True

    def _read_all(self, claim: Claim, sink: ShardSink, notes: list[str]) -> list[str]:
        """The pictures of a shard through the model; gives a line for each that could not be used."""
        return list(self._read(self._job.range_of(claim.shard), sink, notes).failures)

    def _read_carefully(self, claim: Claim, sink: ShardSink, notes: list[str]) -> list[str]:
        """The same one by one. Each is named in the claim before it is read: one that ends the process (a fault of a
        decoder, too little memory) would end every worker in turn, and is passed over by the next."""
        failures: list[str] = []
        suspects = self._claims.suspects(claim)
        for index in self._job.range_of(claim.shard):
            if self._stop.is_set():
                break
            if index in suspects:
                failures.append(
                    f"{self._job.names[index]}: not read, since the worker that read it last was killed by it"
                )
                continue
            self._claims.mark(claim, str(index))
            failures += self._read(range(index, index + 1), sink, notes).failures
        self._claims.mark(claim, "-")
        return failures

    def _read(self, indices: range, sink: ShardSink, notes: list[str]) -> PipelineReport:
        names = self._job.names[indices.start : indices.stop]
        found = FoundPictures(tuple(self._root / name for name in names), names, self._root)
        source = PictureFiles(found, notes.append, self._options.max_pixels, first=indices.start)
        self._pipeline = Pipeline(source, self._stages.detect, self._stages.render, [sink])
        if self._stop.is_set():  # it came before there was a pipeline to hear of it
            self._pipeline.stop()
        before = self._heartbeat.pictures
        return self._pipeline.run(lambda done, total: self._count(before + done))

    def _count(self, pictures: int) -> None:
        self._heartbeat.pictures = pictures

    def _tell(self) -> None:
        if self._advance is not None:
            progress = look_at(self._job, self._claims, self._watch)
            self._advance(progress.pictures, len(self._job.names))
