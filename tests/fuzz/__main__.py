"""`python -m tests.fuzz`: many cases for every target, each target in a subprocess under a limit of memory and time.

A table of cases and failures on stdout; the files that failed are kept. Exit status 1 when there is any failure.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS

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
        arguments = [name, options.cases, options.megabytes, seed, options.keep]
        command = [sys.executable, "-m", "tests.fuzz.one_target", *map(str, arguments)]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=options.minutes * 60)
        except subprocess.TimeoutExpired:
            print(f"{name}: not done after {options.minutes:g} minutes")
            failed = True
            continue
        if done.returncode:
            print(f"{name}: the process ended with status {done.returncode}; its last file is in {options.keep}")
            failed = True
            continue
        result = json.loads(done.stdout)
        count = sum(result["failures"].values())
        taken = f"{result['seconds']:.0f} s, peak {result['peak_mib']} MiB"
        print(f"{name}: {result['cases']} cases, {result['opened']} opened, {count} failures, {taken}", flush=True)
        for where, times in result["failures"].items():
            print(f"  {times} x {where}")
        failed |= bool(result["failures"])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
