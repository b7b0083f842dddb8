"""Folders written whole or not at all, and replaced only where this program wrote everything in them."""

from __future__ import annotations

import contextlib
import fcntl
import fnmatch
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .._version import __version__
from ..errors import OutputError
from ..files import make_output_folder, sync

MARK = "yolact-deploy.json"  # in each folder: what wrote it, and the names of its files
_DRAFT_NAME = re.compile(r"\.[0-9a-f]{16}\.folder$")
_DRAFT_BYTES = 8  # of randomness in a draft's name

Fill = Callable[[Path], None]


def write_folders(folders: Mapping[Path, Fill], force: bool, derived: Sequence[str] = ()) -> None:
    """Let each function fill a hidden folder, then give the folders their names: all of them, or none.

    force: replace folders that an earlier run wrote. derived: patterns of files that other programs make from ours, and
    that go with them. Raises OutputError when one exists (unless `force`), holds what
    this program did not write, or cannot be written; the old folders are whole then.
    """
    for target in folders:
        check_folder(target, force, derived)
        make_output_folder(target.parent)
        _remove_abandoned(target.parent)
    drafts: list[_Draft] = []
    try:
        for target, fill in folders.items():
            drafts.append(_Draft(target))
            fill(drafts[-1].path)
            drafts[-1].mark()
        _publish(drafts)
    except OSError as error:
        raise OutputError(
            f"cannot write {error.filename or 'the package'}: {error.strerror or error}; nothing was kept of it"
        ) from None
    finally:
        for draft in drafts:
            draft.discard()


def check_folder(target: Path, force: bool, derived: Sequence[str] = ()) -> None:
    """Raises OutputError when `target` may not become a folder of ours."""
    if not os.path.lexists(target) or (target.is_dir() and not any(target.iterdir())):
        return
    if target.is_symlink() or not target.is_dir():
        raise OutputError(f"{target} is not a folder: name another one")
    written = _written_files(target)
    if written is None:
        raise OutputError(f"{target} exists and was not written by yolact-deploy: name another folder")
    added = _files(target) - written
    foreign = sorted(name for name in added if not any(fnmatch.fnmatch(name, pattern) for pattern in derived))
    if foreign:
        raise OutputError(
            f"{target} also holds {foreign[0]}{' and others' if len(foreign) > 1 else ''}, which yolact-deploy did not "
            "write: move it away, or name another folder"
        )
    if not force:
        raise OutputError(f"{target} exists: pass --force to replace it")


def _files(folder: Path) -> set[str]:
    """Every file below `folder`, and every empty folder, by its relative name."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir() or not any(path.iterdir())
    }


def _written_files(folder: Path) -> set[str] | None:
    """What the mark in `folder` says that was written there; None where there is no mark of ours."""
    try:
        files = json.loads((folder / MARK).read_text(encoding="utf-8"))["files"]
        return {MARK, *map(str, files)}
    except (OSError, ValueError, KeyError, TypeError):
        return None


class _Draft:
    """A hidden folder beside its target, with a lock that tells a later run whether the writer is alive."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.parent / f".{secrets.token_hex(_DRAFT_BYTES)}.folder"
        self.path.mkdir()
        self._lock = os.open(self.path, os.O_RDONLY)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def mark(self) -> None:
        """Note what was written, and wait until it is on disk."""
        text = json.dumps({"made by": f"yolact-deploy {__version__}", "files": sorted(_files(self.path))}, indent=2)
        (self.path / MARK).write_text(text + "\n", encoding="utf-8")
        for path in (self.path, *self.path.rglob("*")):
            sync(path)

    def discard(self) -> None:
        """Remove the draft if it is still there."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _publish(drafts: list[_Draft]) -> None:
    """Rename every draft to its target; when one fails, everything is as it was."""
    undo: list[tuple[Path, Path]] = []
    old: list[Path] = []
    try:
        for draft in drafts:
            if draft.target.exists():
                old.append(draft.path.with_suffix(".replaced"))  # a later run leaves it alone
                os.rename(draft.target, old[-1])
                undo.append((old[-1], draft.target))
            os.rename(draft.path, draft.target)
            undo.append((draft.target, draft.path))
    except BaseException:
        for now, before in reversed(undo):
            os.rename(now, before)
        raise
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    """Remove hidden folders in `parent` whose writer was killed: nobody holds their lock."""
    for entry in os.scandir(parent):
        if not _DRAFT_NAME.match(entry.name) or not entry.is_dir(follow_symlinks=False):
            continue
        with contextlib.suppress(OSError):
            descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(entry.path, ignore_errors=True)
            finally:
                os.close(descriptor)
