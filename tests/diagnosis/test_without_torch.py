"""Two exported files are compared where torch is not installed, as on a Jetson."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from yolact_deploy.export.precision.convert import convert_file

WITHOUT_TORCH = """
import importlib.util, sys
sys.modules["torch"] = None
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else found(name, *rest)
from yolact_deploy import cli
sys.exit(cli.run(sys.argv[1:]))
"""


def test_two_files(nano_onnx: Path, tmp_path: Path) -> None:
    half = convert_file(nano_onnx, tmp_path / "half.onnx", "fp16").path
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "compare", str(nano_onnx), str(half)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    assert "all 16 stages that were compared are within tolerance" in done.stdout
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "compare", str(nano_onnx), str(half), "--tolerance", "1e-5"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: first divergence in C3, at Conv backbone.")
