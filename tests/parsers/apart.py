"""Packages that do not go together with ours in one environment, run in a process of their own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def apart(package: str, script: str, *arguments: str | Path) -> str:
    """What a script that needs `package` prints. Skips the test where there is none.

    It is found in the folder PARSERS/PACKAGE, which `pip install --target` filled, or beside our own packages.
    """
    folder = Path(os.environ.get("YOLACT_DEPLOY_PARSERS", ROOT / "out/parsers")) / package
    if not folder.is_dir() and importlib.util.find_spec(package) is None:
        pytest.skip(f"no {package}: pip install --target out/parsers/{package} {package}")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]
