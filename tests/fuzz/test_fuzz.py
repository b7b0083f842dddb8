"""Some hundred cases for each target; `make fuzz` runs ten thousand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fuzz.targets import TARGETS

CASES = {"checkpoint": 120, "ONNX file": 100}  # where a case takes longer
USUAL_CASES = 250
MEGABYTES = 1000
SEED = 20190404  # the same cases in every run of the tests; `make fuzz` takes others


@pytest.mark.parametrize("name", [target.name for target in TARGETS])
def test_success_or_an_error_of_ours(tmp_path: Path, name: str) -> None:
    arguments = [name, CASES.get(name, USUAL_CASES), MEGABYTES, SEED, tmp_path]
    command = [sys.executable, "-m", "tests.fuzz.one_target", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["failures"] == {}
    assert result["cases"] >= CASES.get(name, USUAL_CASES) // 2  # small spaces run out of different files
