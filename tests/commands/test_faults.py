"""Faults while commands write: a full disk, a medium that fails, signals, one after the other, in this process.

Whatever happens, inputs are as they were, every output is the old file or a whole new one, nothing half-written is
left, the exit status says what happened, and so does one line. `test_killed.py` does it to processes of their own.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.writers import WRITERS, Writer, fill, is_whole, shorten
from tests.running import Captured
from yolact_deploy import cli

pytestmark = pytest.mark.slow

TERMINATED = 128 + signal.SIGTERM


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, nano_onnx: Path) -> Path:
    """The inputs of all commands."""
    folder = tmp_path_factory.mktemp("faults")
    fill(folder, nano_onnx)
    return folder


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@contextlib.contextmanager
def full_disk(room: int) -> Iterator[None]:
    """Writing a file beyond `room` bytes fails, in whatever library."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@contextlib.contextmanager
def failing(name: str, reason: int) -> Iterator[None]:
    """`os.name` fails for files that the command writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, name, _raising(reason))
        yield


def _raising(reason: int) -> Any:
    def fail(*arguments: object, **named: object) -> None:
        raise OSError(reason, os.strerror(reason))

    return fail


@contextlib.contextmanager
def signal_at(name: str, call: int) -> Iterator[None]:
    """SIGTERM arrives just before the `call`-th use of `os.name`."""
    genuine, seen = getattr(os, name), []

    def interrupted(*arguments: Any, **named: Any) -> Any:
        seen.append(arguments)
        if len(seen) == call:
            signal.raise_signal(signal.SIGTERM)
        return genuine(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, name, interrupted)
        yield


FAULTS: dict[str, tuple[Callable[[], contextlib.AbstractContextManager[None]], set[int]]] = {
    "full disk": (lambda: full_disk(0), {2}),
    "nearly full disk": (lambda: full_disk(2000), {0, 2}),
    "failing medium": (lambda: failing("fsync", errno.EIO), {2}),
    "read-only on the way": (lambda: failing("replace", errno.EROFS), {2}),
    "signal, first file": (lambda: signal_at("replace", 1), {TERMINATED}),
    "signal, second file": (lambda: signal_at("replace", 2), {0, TERMINATED}),
    "signal, at the folder": (lambda: signal_at("fsync", 2), {TERMINATED}),
}


OF_STREAMS = ("nearly full disk", "signal, at the folder")  # what is written at once has no middle
STREAMS = ("pictures", "video", "pull", "engine")


def run(line: str) -> int:
    """As `main` does, with its signal handlers."""
    interrupts = cli.Interrupts()
    before = signal.signal(signal.SIGTERM, interrupts.receive)
    try:
        return cli.run(line.split(), interrupts)
    finally:
        signal.signal(signal.SIGTERM, before)


def check(folder: Path, before: dict[Path, bytes], writer: Writer) -> None:
    """Inputs are as they were, outputs whole, and nothing else is there."""
    after = contents(folder)
    named = [folder / output for output in writer.outputs]
    for path in before.keys() | after.keys():
        is_output = any(path == place or place in path.parents for place in named)
        if not is_output or after.get(path) == before.get(path):
            assert after.get(path) == before.get(path), path
        else:
            assert not path.name.startswith("."), f"{path} is left"
            assert is_whole(path), path


@pytest.mark.parametrize("name", WRITERS)
def test_faults(name: str, folder: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, place = WRITERS[name], tmp_path / "place"
    pytest.importorskip(writer.package)
    shutil.copytree(folder, place)
    monkeypatch.chdir(place)
    shorten(monkeypatch, place)
    inputs = contents(place)
    for fault, (injected, statuses) in FAULTS.items():
        if fault in OF_STREAMS and name not in STREAMS:
            continue
        before = contents(place)
        capsys.readouterr()
        with injected():
            status = run(writer.line)
        said = capsys.readouterr().err
        assert status in statuses, (fault, said)
        assert said.count("error: ") == (status != 0), (fault, said)
        assert "bug" not in said
        check(place, before, writer)
        if name == "pull":  # what is here is not fetched again
            shutil.rmtree(place / "weights", ignore_errors=True)
        elif fault == "full disk":  # from now on there are old files
            assert contents(place) == inputs
            assert run(writer.line) == 0
            check(place, inputs, writer)
            assert len(contents(place)) >= len(inputs) + len(writer.outputs)
