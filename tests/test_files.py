"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from yolact_deploy.errors import OutputError
from yolact_deploy.files import (
    Draft,
    atomic_path,
    check_no_input,
    check_output_path,
    make_output_folder,
    sha256_of,
    write_bytes,
    write_json,
    write_text,
)


def test_written_files_hold_what_was_given(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"\0\1")
    write_text(tmp_path / "b", "größe\n")
    write_json(tmp_path / "c", {"x": [1, 2]})
    assert (tmp_path / "a").read_bytes() == b"\0\1"
    assert (tmp_path / "b").read_bytes() == "größe\n".encode()
    assert json.loads((tmp_path / "c").read_text()) == {"x": [1, 2]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_sha256(tmp_path: Path) -> None:
    data = bytes(range(256)) * 8192  # 2 MiB, more than one chunk
    write_bytes(tmp_path / "a", data)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_an_error_inside_the_block_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with contextlib.suppress(ValueError), atomic_path(path) as temporary:
        temporary.write_text("new")
        raise ValueError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_path_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "model.onnx") as temporary:
        assert temporary.suffix == ".onnx"  # some writers choose the format by it
        assert temporary.parent == tmp_path
        temporary.write_text("x")


def test_a_path_below_a_file_is_not_writable(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("x")
    for attempt in (
        lambda: write_text(blocker / "a", "x"),
        lambda: make_output_folder(blocker / "deeper"),
        lambda: check_output_path(blocker / "a"),
    ):
        with pytest.raises(OutputError, match="cannot write"):
            attempt()
    assert blocker.read_text() == "x"


def test_output_paths_are_checked_before_work_starts(tmp_path: Path) -> None:
    target = tmp_path / "new" / "model.onnx"
    assert check_output_path(target) == target
    assert target.parent.is_dir()
    assert list(target.parent.iterdir()) == []
    target.write_text("x")
    with pytest.raises(OutputError, match="--force"):
        check_output_path(target)
    assert check_output_path(target, force=True) == target
    with pytest.raises(OutputError, match="folder"):
        check_output_path(tmp_path, force=True)


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing fails with an error, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from yolact_deploy.errors import OutputError
from yolact_deploy.files import write_bytes
try:
    write_bytes(sys.argv[1], bytes(1_000_000))
except OutputError as error:
    print(error)
"""


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"cannot write {path}: ")
    assert done.stdout.count("\n") == 1
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_as_output_stays_a_link(tmp_path: Path) -> None:
    target = tmp_path / "disk" / "model.onnx"
    target.parent.mkdir()
    target.write_text("old")
    link = tmp_path / "model.onnx"
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o640)
    write_text(path, "new")
    assert path.stat().st_mode & 0o777 == 0o640


def test_two_writers_of_one_file_never_share_a_draft(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    first, second = Draft(path), Draft(path)
    first.path.write_text("first")
    second.path.write_text("second")
    first.keep()
    assert path.read_text() == "first"
    second.keep()
    assert path.read_text() == "second"
    assert list(tmp_path.iterdir()) == [path]


def test_drafts_of_killed_runs_are_removed_and_those_of_live_ones_kept(tmp_path: Path) -> None:
    code = "import os, sys; from yolact_deploy.files import Draft; Draft(sys.argv[1]); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.onnx")], check=False)
    (abandoned,) = tmp_path.iterdir()
    foreign = tmp_path / ".hidden.part"
    foreign.write_text("somebody else's")
    live = Draft(tmp_path / "b.onnx")
    make_output_folder(tmp_path)
    assert not abandoned.exists()
    assert live.path.exists()
    assert foreign.exists()
    live.discard()


def test_an_input_is_no_output_by_whatever_name(tmp_path: Path) -> None:
    source = tmp_path / "w.pth"
    source.write_text("weights")
    link, hard = tmp_path / "link.onnx", tmp_path / "hard.onnx"
    link.symlink_to(source)
    hard.hardlink_to(source)
    for name in (source, tmp_path / "." / "w.pth", link, hard):
        with pytest.raises(OutputError, match="input"):
            check_no_input(name, [None, tmp_path / "missing", source])
    check_no_input(tmp_path / "new.onnx", [source, None])
