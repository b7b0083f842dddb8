"""`python -m tests.fuzz`: many cases for every target, each target in a subprocess under a limit of memory and time.

A table of cases and failures on stdout; the files that failed are kept. Exit status 1 when there is any failure.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.targets import TARGETS

CASES_PER_PROCESS = 2000  # libraries keep a little memory of what they refuse
NAMES = [target.name for target in TARGETS]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="files per target; default 10000")
    parser.add_argument("--target", choices=NAMES, action="append", help="one of the targets; default all")
    parser.add_argument("--megabytes", type=int, default=1000, help="memory above what imports take; default 1000")
    parser.add_argument("--minutes", type=float, default=60, help="for each target; default 60")
    parser.add_argument("--seed", type=int, help="of the cases; default one of chance")
    parser.add_argument("--keep", type=Path, default=Path("out/fuzz"), help="folder for files that fail")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}, {options.cases} cases per target")
    failed = False
    for name in options.target or NAMES:
        failed |= not _run(name, options.cases, options.megabytes, seed, options.minutes, options.keep)
    return int(failed)


def _run(name: str, cases: int, megabytes: int, seed: int, minutes: float, keep: Path) -> bool:
    """Run a target, CASES_PER_PROCESS at a time, and print what came of it; whether nothing failed."""
    counts: collections.Counter[str] = collections.Counter()
    failures: collections.Counter[str] = collections.Counter()
    peak, end = 0, time.monotonic() + minutes * 60
    for done in range(0, cases, CASES_PER_PROCESS):
        arguments = [name, min(CASES_PER_PROCESS, cases - done), megabytes, seed + done, keep]
        command = [sys.executable, "-m", "tests.fuzz.one_target", *map(str, arguments)]
        try:
            ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=end - time.monotonic())
        except subprocess.TimeoutExpired:
            failures[f"not done after {minutes:g} minutes"] += 1
            break
        if ended.returncode:
            failures[f"the process ended with status {ended.returncode}; its last file is in {keep}"] += 1
            break
        result = json.loads(ended.stdout.splitlines()[-1])
        counts.update({"cases": result["cases"], "opened": result["opened"]})
        failures.update(result["failures"])
        peak = max(peak, result["peak_mib"])
    print(
        f"{name}: {counts['cases']} cases, {counts['opened']} opened, {failures.total()} failures, peak {peak} MiB",
        flush=True,
    )
    for what, count in failures.items():
        print(f"  {count} x {what}", flush=True)
    return not failures


if __name__ == "__main__":
    sys.exit(main())
