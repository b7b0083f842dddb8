"""Commands whose standard streams are closed, or full, do their work or say why in one line: never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NANO

pytestmark = pytest.mark.slow

STREAMS = ("<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full")
LINES = {  # command line -> the file that it writes; None: it only prints
    "inspect m.onnx": None,
    "inspect m.onnx --json out.json": "out.json",
    "weights list": None,
    "infer picture.jpg --model m.onnx --json out.json": "out.json",
    "compare m.onnx m.onnx --json out.json": "out.json",
    "convert-precision m.onnx --fp16 --output out.onnx": "out.onnx",
    "bench m.onnx --no-speed --limit 2 --json out.json": "out.json",
}


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize("line", LINES)
def test_no_command_needs_its_streams(line: str, streams: str, nano_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").symlink_to(nano_onnx)
    (tmp_path / "picture.jpg").symlink_to(NANO / "images/000000001000.jpg")
    words = f"'{sys.executable}' -m yolact_deploy {line} {streams}"
    done = subprocess.run(["sh", "-c", words], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert done.returncode in (0, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert "this is a bug" not in done.stderr
    written = LINES[line]
    left = {path.name for path in tmp_path.iterdir()} - {"m.onnx", "picture.jpg"}
    assert left <= {written}  # nothing half-written; a file may be done before a full stdout is noticed
    assert done.returncode == 2 or len(left) == (written is not None)
    if "out.json" in left:
        assert json.loads((tmp_path / "out.json").read_text())
