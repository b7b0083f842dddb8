"""Several workers of one machine, each in a process of its own."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from ...launch import module_command
from ...types import Advance
from .child import DONE, FAILED, JOINED
from .claims import Claims
from .job import ShardJob, open_job
from .liveness import Watch
from .order import WorkOrder
from .overview import look_at
from .worker import WorkReport

MAX_RESTARTS = 10  # of workers that were killed, in one run


@dataclass
class TeamReport:
    """What became of the workers."""

    done: list[WorkReport] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)  # of workers that stopped, a line each
    restarts: int = 0  # of workers that were killed


class Team:
    """Workers for one order. `run` works once."""

    def __init__(self, order: WorkOrder, workers: int, is_verbose: bool = False) -> None:
        """is_verbose: what the libraries underneath print is shown."""
        self._order, self._workers = order, workers
        self._errors = None if is_verbose else subprocess.DEVNULL
        self._stop = threading.Event()
        self._has_joined = threading.Event()
        self._running: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self.report = TeamReport()

    def stop(self) -> None:
        """Let each worker end with the picture that it works on; safe in a signal handler."""
        self._stop.set()
        for process in tuple(self._running):
            _close_input(process)

    def run(self, advance: Advance = lambda done, total: None) -> TeamReport:
        """Work until every shard is done, or no worker is left, or `stop`."""
        threads = [threading.Thread(target=self._attend) for _ in range(self._workers)]
        for thread in threads:
            thread.start()
        overview: _Overview | None = None
        last = time.monotonic()
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(self._order.timing.look / len(threads))
            if self._has_joined.is_set() and time.monotonic() - last >= self._order.timing.look:
                overview = overview or _Overview(open_job(self._order.folder), self._order)
                advance(overview.pictures(), len(self._order.names))
                last = time.monotonic()
        return self.report

    def _attend(self) -> None:
        """One worker, started anew when it is killed."""
        while not self._stop.is_set():
            kind, value = self._run_one()
            with self._lock:
                if kind == DONE:
                    self.report.done.append(value)
                elif kind == FAILED:
                    self.report.errors.append(value)
                elif self.report.restarts < MAX_RESTARTS and not self._stop.is_set():
                    self.report.restarts += 1
                    continue
                else:
                    self.report.errors.append(value)
            return

    def _run_one(self) -> tuple[str, Any]:
        """The last message of a worker's process, or how it ended."""
        command = module_command("yolact_deploy.inference.shards.child")
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C comes to this process, which tells the workers
        ) as process:
            self._running.append(process)
            if self._stop.is_set():
                _close_input(process)
            with contextlib.suppress(OSError, ValueError):  # it has ended already, or is to stop
                assert process.stdin is not None
                process.stdin.write(pickle.dumps(self._order))
                process.stdin.flush()
            last = self._listen(process)
            _close_input(process)
        self._running.remove(process)
        return last or ("", f"a worker ended with status {process.returncode}")

    def _listen(self, process: subprocess.Popen[bytes]) -> tuple[str, Any] | None:
        """The message that ends a worker, None when it ended without one."""
        assert process.stdout is not None
        with contextlib.suppress(EOFError, pickle.UnpicklingError):
            while True:
                kind, value = pickle.load(process.stdout)
                if kind != JOINED:
                    return kind, value
                self._has_joined.set()
        return None


class _Overview:
    def __init__(self, job: ShardJob, order: WorkOrder) -> None:
        self._job = job
        self._watch = Watch(job.workers, order.timing)
        self._claims = Claims(job.claims, "", self._watch)

    def pictures(self) -> int:
        return look_at(self._job, self._claims, self._watch).pictures


def _close_input(process: subprocess.Popen[bytes]) -> None:
    """A worker stops where its input ends."""
    with contextlib.suppress(OSError, ValueError):
        if process.stdin is not None:
            process.stdin.close()
