"""Every call to TensorRT 10.x exists: the type checker knows them from the stubs of 10.13.

The stubs (PyPI: tensorrt-stubs) want TensorRT itself and would pass for it, so they are kept beside the environment:
`pip install --no-deps --target "$VIRTUAL_ENV/tensorrt-stubs" tensorrt-stubs==10.13.0.35.1`
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytest.importorskip("mypy", reason="mypy is not installed")

STUBS = Path(os.environ.get("TENSORRT_STUBS", Path(sys.prefix) / "tensorrt-stubs"))
CALLERS = (
    "export/engine/builder.py",
    "export/engine/timing_cache.py",
    "runtimes/engine_file.py",
    "runtimes/engine_session.py",
    "engine_inspection.py",
    "tensorrt_library.py",
)
CONFIGURATION = """
[mypy]
python_version = 3.11
ignore_missing_imports = True
follow_imports = silent
[mypy-tensorrt.*]
ignore_errors = True
[mypy-tensorrt_bindings.*]
ignore_errors = True
"""


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the stubs that parses: their generator let Python's keyword `in` through as a name."""
    if not (STUBS / "tensorrt" / "__init__.pyi").is_file():
        pytest.skip(f"the type stubs of TensorRT are not in {STUBS}: see this file's docstring")
    folder = tmp_path_factory.mktemp("stubs")
    for package in ("tensorrt", "tensorrt_bindings"):
        shutil.copytree(STUBS / package, folder / package)
    path = folder / "tensorrt_bindings" / "tensorrt.pyi"
    text = re.sub(r"\bin: list\[", "in_: list[", path.read_text())
    path.write_text(text.replace("channel_axis: int) -> IScaleLayer", "channel_axis: int = 0) -> IScaleLayer"))
    return folder


def check(stubs: Path, folder: Path, *files: Path) -> list[str]:
    """The type checker's errors in `files`."""
    (folder / "mypy.ini").write_text(CONFIGURATION)
    command = [sys.executable, "-m", "mypy", "--config-file", folder / "mypy.ini", "--cache-dir", folder / "cache"]
    done = subprocess.run(
        [*map(str, [*command, *files])],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(stubs)},
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "error:" in line and not line.startswith(str(stubs))]


def test_every_call_exists(stubs: Path, tmp_path: Path) -> None:
    assert check(stubs, tmp_path, *(ROOT / "yolact_deploy" / name for name in CALLERS)) == []


def test_the_stubs_are_read(stubs: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import tensorrt as trt\n\n"
        "def build(builder: trt.Builder) -> None:\n"
        "    builder.build_engine(1)\n"
        "    trt.BuilderFlag.FP17\n"
    )
    errors = check(stubs, tmp_path, wrong)
    assert len(errors) == 2
    assert 'has no attribute "build_engine"' in errors[0]
    assert "FP17" in errors[1]
