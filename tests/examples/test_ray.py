"""The Ray example with real Ray on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.inference.shards.cases import make_source, merged, plain
from yolact_deploy.predictor import Predictor

SCRIPT = ROOT / "examples/ray_infer.py"


def test_it_is_short() -> None:
    assert len(SCRIPT.read_text().splitlines()) < 80


@pytest.mark.slow
def test_it_gives_what_infer_gives(tmp_path: Path, nano_onnx: Path) -> None:
    pytest.importorskip("ray")
    source = make_source(tmp_path / "source")
    with Predictor.open(nano_onnx) as predictor:
        expected = plain(source, tmp_path / "plain.json", predictor)
    path = os.pathsep.join([str(ROOT), *(part for part in sys.path if part)])
    for turn in range(2):  # the second has nothing left to do
        done = subprocess.run(
            [sys.executable, SCRIPT, source, "--model", nano_onnx, "--shards", tmp_path / "job", "--shard-size", "2"],
            capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.splitlines()[-1].startswith(f"{0 if turn else 4} of 4 shards")
    assert merged(tmp_path / "job", tmp_path / "a.json") == expected
