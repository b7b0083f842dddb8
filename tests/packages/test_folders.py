"""Folders are whole or absent, and nobody's files are lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from yolact_deploy.errors import OutputError
from yolact_deploy.packages import folders
from yolact_deploy.packages.folders import Fill, write_folders


def filling(**files: str) -> Fill:
    def fill(folder: Path) -> None:
        for name, text in files.items():
            (folder / name).write_text(text)

    return fill


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def failing(folder: Path) -> None:
    (folder / "half").write_text("half")
    raise OSError(28, "No space left on device", str(folder / "half"))


def test_a_folder_is_replaced_with_force_alone(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder"
    write_folders({target: filling(a="1", b="2")}, force=False)
    with pytest.raises(OutputError, match="exists: pass --force"):
        write_folders({target: filling(a="3")}, force=False)
    assert (target / "a").read_text() == "1"
    write_folders({target: filling(a="3")}, force=True)
    assert names(target) == {"a", folders.MARK}
    assert (target / "a").read_text() == "3"
    assert names(target.parent) == {"folder"}


def test_files_of_others_stay(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    write_folders({target: filling(a="1")}, force=False)
    (target / "notes").write_text("mine")
    with pytest.raises(OutputError, match="also holds notes, which yolact-deploy did not write"):
        write_folders({target: filling(a="2")}, force=True)
    write_folders({target: filling(a="2")}, force=True, derived=["not*"])
    other = tmp_path / "other"
    other.mkdir()
    write_folders({other: filling(a="1")}, force=False)  # it was empty
    (other / folders.MARK).unlink()
    with pytest.raises(OutputError, match="was not written by yolact-deploy"):
        write_folders({other: filling(a="2")}, force=True)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(target)
    for name in ("file", "link"):
        with pytest.raises(OutputError, match="is not a folder"):
            write_folders({tmp_path / name: filling(a="2")}, force=True)
    assert (tmp_path / "file").read_text() == "mine"


def test_all_folders_or_none(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with pytest.raises(OutputError, match=r"No space left.*nothing was kept"):
        write_folders({first: filling(a="1"), second: failing}, force=False)
    assert names(tmp_path) == set()
    write_folders({first: filling(a="1"), second: filling(a="1")}, force=False)
    with pytest.raises(OutputError, match="No space left"):
        write_folders({first: filling(a="2"), second: failing}, force=True)
    assert (first / "a").read_text() == "1"
    assert names(tmp_path) == {"first", "second"}


def test_a_failed_rename_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_folders({first: filling(a="1"), second: filling(a="1")}, force=False)
    rename, calls = os.rename, []

    def failing_once(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 4:  # old first, new first, old second, new second
            raise OSError(5, "Input/output error", str(source))
        rename(source, target)

    monkeypatch.setattr(folders.os, "rename", failing_once)
    with pytest.raises(OutputError, match="Input/output error"):
        write_folders({first: filling(a="2"), second: filling(a="2")}, force=True)
    assert [(folder / "a").read_text() for folder in (first, second)] == ["1", "1"]
    assert names(tmp_path) == {"first", "second"}


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    abandoned = tmp_path / ".0123456789abcdef.folder"
    abandoned.mkdir()
    (abandoned / "half").touch()
    (tmp_path / ".0123456789abcdef.replaced").mkdir()
    write_folders({tmp_path / "new": filling(a="1")}, force=False)
    assert names(tmp_path) == {"new", ".0123456789abcdef.replaced"}
