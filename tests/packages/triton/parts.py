"""Triton's own parts, where they are: the server that nvidia-pytriton carries, and the client. See `make install`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("TRITON_PARTS", Path(sys.prefix) / "triton"))
SERVER = FOLDER / "pytriton/tritonserver"
STUB = SERVER / f"python_backend_stubs/{sys.version_info.major}.{sys.version_info.minor}/triton_python_backend_stub"


def require_client() -> None:
    """Let `tritonclient` be imported, or skip the tests. Its folder comes last: it has its own NumPy, perhaps."""
    if not (FOLDER / "tritonclient").is_dir():
        pytest.skip(f"tritonclient is not in {FOLDER}: `make install` gets it from PyPI")
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))


def require_server() -> None:
    """The server runs here, or the tests are skipped."""
    if not STUB.is_file():
        pytest.skip(f"Triton's server for this Python is not in {FOLDER}: `make install` gets it from PyPI, for x86-64")
