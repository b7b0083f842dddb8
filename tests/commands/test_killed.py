"""Commands in processes of their own, ended at times of chance, and two of them writing the same files."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import pytest

from tests.commands.test_faults import check, contents
from tests.commands.writers import WRITERS, Writer, fill, shorten
from yolact_deploy import cli

pytestmark = pytest.mark.slow

TIMES = 6  # that each signal is sent
LIMIT_S = 120  # of one process: one that hangs ends with SIGALRM
SAID = "said.txt"


def start(writer: Writer) -> int:
    """A fork of this process, so that nothing is imported anew, that runs the command; its id."""
    child = os.fork()
    if child:
        return child
    signal.alarm(LIMIT_S)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = open(Path("..") / SAID, "w")  # noqa: SIM115
    status = 99
    try:
        cli.main(writer.line.split())
    except SystemExit as leaving:
        status = int(leaving.code or 0)
    except BaseException:  # must not reach the tests
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def ended(child: int) -> int:
    """The exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, nano_onnx: Path) -> Path:
    """The inputs of all commands."""
    folder = tmp_path_factory.mktemp("killed")
    fill(folder, nano_onnx)
    return folder


@pytest.fixture
def place(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the inputs; the current folder."""
    shutil.copytree(folder, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    shorten(monkeypatch, tmp_path / "place")
    return tmp_path / "place"


@pytest.mark.parametrize("name", WRITERS)
def test_ended_at_any_time(name: str, place: Path) -> None:
    writer = WRITERS[name]
    pytest.importorskip(writer.package)
    inputs = contents(place)
    began = time.monotonic()
    assert ended(start(writer)) == 0
    usual_s = time.monotonic() - began
    chance = random.Random(name)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP) * TIMES:
        if name == "pull":
            shutil.rmtree(place / "weights", ignore_errors=True)
        before = contents(place)
        child = start(writer)
        time.sleep(chance.uniform(0, usual_s * 1.1))
        os.kill(child, number)
        status = ended(child)
        if number == signal.SIGKILL:
            assert status in (0, -number)
            for part in place.rglob(".*.part*"):
                part.unlink()  # a later run removes them, as the last lines show
        else:
            assert status in (0, 128 + number, -number), (
                number,
                status,
                (place.parent / SAID).read_text(),
            )  # the last: before the handlers were there
            said = (place.parent / SAID).read_text()
            assert said.count("error: ") == (status > 0), said
            assert "Traceback" not in said
        check(place, before, writer)
    for output in writer.outputs:
        target = place / output
        draft = (target if output.endswith("/") else target.parent) / ".0123456789abcdef.part.x"
        draft.parent.mkdir(exist_ok=True)
        draft.write_bytes(b"of a killed run")
    if name == "pull":
        for output in writer.outputs:
            (place / output).unlink(missing_ok=True)
    assert ended(start(writer)) == 0
    check(place, inputs, writer)


@pytest.mark.parametrize("name", WRITERS)
def test_two_writers(name: str, place: Path) -> None:
    writer = WRITERS[name]
    pytest.importorskip(writer.package)
    inputs = contents(place)
    for _ in range(TIMES):
        statuses = [ended(child) for child in [start(writer), start(writer)]]
        assert set(statuses) <= {0, 2}
        assert 0 in statuses
        check(place, inputs, writer)
        if name == "pull":
            shutil.rmtree(place / "weights", ignore_errors=True)
