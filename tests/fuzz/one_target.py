"""One target of the fuzzer in a process of its own: NAME CASES MEGABYTES SEED KEEP -> a line of JSON on stdout."""

from __future__ import annotations

import collections
import hashlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.targets import TARGETS, Target
from yolact_deploy.errors import AssumptionWarning, YolactDeployError

CASE_SECONDS = 10  # that one file may take
PAGE_BYTES = resource.getpagesize()


class TooSlowError(Exception):
    """A case took longer than CASE_SECONDS."""


def run_target(target: Target, cases: int, megabytes: int, number: int, keep: Path) -> dict[str, object]:
    """Feed `target` with `cases` files. Anything but success and YolactDeployError is counted as a failure."""
    failures: collections.Counter[str] = collections.Counter()
    counts: collections.Counter[str] = collections.Counter()
    keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        target.prepare(folder)
        path = folder / target.file_name
        last = keep / f"last-{target.file_name}"  # left behind when the process dies

        @seed(number)
        @settings(max_examples=cases, deadline=None, database=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(target.files())
        def feed(data: bytes) -> None:
            path.write_bytes(data)
            last.write_bytes(data)
            counts["cases"] += 1
            signal.alarm(CASE_SECONDS)
            try:
                target.open(path)
                counts["opened"] += 1
            except YolactDeployError as error:
                if "\n" in str(error) or not str(error).strip():
                    failures["a message that is not one line"] += 1
            except BaseException as error:  # MemoryError and recursion, too: that is what is looked for
                place = traceback.extract_tb(error.__traceback__)[-1]
                failures[f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}"] += 1
                (keep / f"{hashlib.sha256(data).hexdigest()[:12]}-{target.file_name}").write_bytes(data)
                if isinstance(error, KeyboardInterrupt):
                    raise
            finally:
                signal.alarm(0)

        target.files().validate()
        limit_memory(megabytes)
        start = time.perf_counter()
        feed()
        last.unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {**counts, "opened": counts["opened"], "failures": dict(failures), "peak_mib": peak,
            "seconds": time.perf_counter() - start}  # fmt: skip


def limit_memory(megabytes: int) -> None:
    """Let this process take so much more address space than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * PAGE_BYTES + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _too_slow(number: int, frame: object) -> None:
    raise TooSlowError(f"more than {CASE_SECONDS} s")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.simplefilter("ignore", AssumptionWarning)
    signal.signal(signal.SIGALRM, _too_slow)
    name, cases, megabytes, number, keep = sys.argv[1:]
    target = next(target for target in TARGETS if target.name == name)
    print(json.dumps(run_target(target, int(cases), int(megabytes), int(number), Path(keep))))
