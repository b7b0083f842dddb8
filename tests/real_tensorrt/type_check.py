"""The type checker on files that call TensorRT, with the stubs of one release."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.real_tensorrt.releases import FOLDER, ROOT, Release

# Other modules' types are not looked up, which makes it fast; what TensorRT has is checked all the same.
CONFIGURATION = """
[mypy]
ignore_missing_imports = True
follow_imports = skip
check_untyped_defs = True
strict_optional = False
[mypy-tensorrt]
follow_imports = normal
ignore_errors = True
"""
MENTIONS = re.compile(r"import tensorrt as trt|\bTensorRTLibrary\b|\bOpenEngine\b")


def callers() -> list[Path]:
    """Every file of the package that can call TensorRT."""
    package = ROOT / "yolact_deploy"
    folders = (package, package / "export", package / "benchmarks")  # links are not followed
    files = {path for folder in folders for path in folder.rglob("*.py")}
    return sorted(path for path in files if MENTIONS.search(path.read_text()))


def type_errors(release: Release, files: list[Path]) -> list[str]:
    """One line each, "NAME.py:LINE: error: ..."."""
    configuration = release.folder / "mypy.ini"
    configuration.write_text(CONFIGURATION)
    command = [sys.executable, "-m", "mypy", "--config-file", configuration, "--cache-dir", FOLDER / "type-check"]
    done = subprocess.run(
        [*map(str, [*command, "--no-error-summary", *files])],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(release.stubs)},
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if ": error: " in line]
