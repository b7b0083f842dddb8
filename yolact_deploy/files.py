"""Files written whole or not at all, and their hashes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import OutputError

_CHUNK_BYTES = 1 << 20  # 1 MiB
MAX_NAME_BYTES = 255  # of a file name, on the file systems in use
_DRAFT_BYTES = 8  # of randomness in a draft's name
_DRAFT_NAME = re.compile(r"\.[0-9a-f]{16}\.part(\.|$)")
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)  # of a file system without hard links
_MARK_BYTES = 4096  # how far from its start a report says whose it is


def sha256_of(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def user_cache() -> Path:
    """This program's folder in the user's cache ($XDG_CACHE_HOME, or ~/.cache)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "yolact-deploy"


def check_output_path(path: str | Path, force: bool = False) -> Path:
    """Make sure, before long work starts, that `path` can be written; creates missing folders.

    Raises OutputError when it exists (unless `force`), is a folder or a device, or its folder is not writable.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder: name a file to write")
    if path.exists() and not path.is_file():  # a rename onto it would destroy it
        raise OutputError(f"{path} is a device or a pipe: name a file to write")
    if path.exists() and not force:
        raise OutputError(f"{path} exists: pass --force to replace it")
    make_output_folder(path.parent)
    return path


def check_report_target(path: str | Path, marks: Sequence[str], force: bool | None = False) -> Path:
    """`check_output_path` for a report: one of our own is replaced, as runs are repeated; any other file only by
    `force`.

    marks: texts near the start of a file, any of which shows that it is a report of ours. force: None for a command
    that has no such option. Raises OutputError.
    """
    path = Path(path)
    if path.is_file() and not force:
        try:
            with path.open("rb") as file:
                beginning = file.read(_MARK_BYTES).decode("utf-8", "replace")
        except OSError as error:
            raise OutputError(f"cannot read {path}: {error.strerror or error}; choose another name") from None
        if not any(mark in beginning for mark in marks):
            advice = "name another file" if force is None else "pass --force to replace it"
            raise OutputError(f"{path} exists and is not a report of yolact-deploy: {advice}")
    return check_output_path(path, force=True)


def make_output_folder(folder: str | Path) -> Path:
    """Create `folder` where it is missing, prove that files can be written into it, and remove what killed runs left.

    Raises OutputError when it cannot be written into.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        _remove_abandoned(folder)
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror or error}; choose another folder") from None
    return folder


def check_no_input(output: str | Path, inputs: Iterable[str | Path | None]) -> None:
    """Raises OutputError when `output` is one of `inputs`, by whatever name or link. None among them is passed over."""
    for source in inputs:
        with contextlib.suppress(OSError):  # what does not exist is not the same file
            if source is not None and os.path.samefile(output, source):
                raise OutputError(f"{output} is an input of this command: name another file to write")


def check_distinct(outputs: Iterable[str | Path | None]) -> None:
    """Raises OutputError when two of `outputs` are one file or folder. None among them is passed over."""
    seen: set[object] = set()
    for output in outputs:
        if output is None:
            continue
        key = file_identity(output) or Path(output).resolve()
        if key in seen:
            raise OutputError(f"two outputs have the same name, {output}: give each its own")
        seen.add(key)


def check_outputs(outputs: Sequence[str | Path | None], inputs: Iterable[str | Path | None]) -> None:
    """`check_distinct`, and `check_no_input` for each of `outputs`; None among them is passed over."""
    check_distinct(outputs)
    known = list(inputs)
    for output in outputs:
        if output is not None:
            check_no_input(output, known)


def files_below(folder: str | Path) -> list[Path]:
    """Every file in `folder` and its subfolders, linked ones too; none when there is no such folder."""
    found: list[Path] = []
    seen: set[tuple[int, int] | None] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        if (identity := file_identity(parent)) in seen:  # links in a circle
            folders.clear()
            continue
        seen.add(identity)
        found += [Path(parent, name) for name in names]
    return found


class Draft:
    """A file that is written under a hidden name beside its target, and takes the target's name in `keep`.

    Two runs never share a draft: its name is random and it is created exclusively, with a lock that tells a later
    run whether the writer is alive. A target that is a symbolic link stays one; the file behind it is replaced.
    """

    def __init__(self, target: str | Path) -> None:
        """Creates the empty draft. Raises OSError."""
        target = Path(target)
        self.target = target.resolve() if target.is_symlink() else target
        # Short, for where the target's name is as long as names can be. Some writers choose their format by the suffix.
        self.path = self.target.with_name(f".{secrets.token_hex(_DRAFT_BYTES)}.part{self.target.suffix}")
        self._lock = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        with contextlib.suppress(OSError):  # a file system without locks: the draft is never taken for abandoned
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def keep(self) -> None:
        """Give the draft its target's name, once it is safe on disk. Raises OSError; the old file is whole then."""
        sync(self.path)
        with contextlib.suppress(OSError):
            os.chmod(self.path, os.stat(self.target).st_mode & 0o777)
        os.replace(self.path, self.target)
        sync(self.target.parent)
        self._unlock()

    def keep_if_first(self) -> bool:
        """The same, unless the target exists: then it stays as it is, and the answer is False. Raises OSError."""
        sync(self.path)
        try:
            os.link(self.path, self.target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if self.target.exists():
                return False
            os.replace(self.path, self.target)
        sync(self.target.parent)
        return True

    def discard(self) -> None:
        """Remove the draft if it is still there."""
        with contextlib.suppress(OSError):  # a path that cannot exist has nothing to remove
            self.path.unlink(missing_ok=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def sync(path: Path) -> None:
    """Wait until a file or folder is on disk; a full disk may show only here. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot sync folders
            raise
    finally:
        os.close(descriptor)


def _remove_abandoned(folder: Path) -> None:
    """Remove drafts in `folder` whose writer was killed: nobody holds their lock."""
    for entry in os.scandir(folder):
        if not _DRAFT_NAME.match(entry.name) or not entry.is_file(follow_symlinks=False):
            continue
        with contextlib.suppress(OSError):
            descriptor = os.open(entry.path, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(entry.path)
            finally:
                os.close(descriptor)


def file_name(stem: str, ending: str) -> str:
    """`stem` + `ending`, the stem cut where the file system would refuse so long a name."""
    room = MAX_NAME_BYTES - len(os.fsencode(ending))
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return stem + ending


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well, and vanishes otherwise.

    Raises OutputError for any OSError inside the block or at the rename (a full disk, for one).
    """
    draft: Draft | None = None
    try:
        draft = Draft(path)
        yield draft.path
        draft.keep()
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; nothing was kept of it") from None
    finally:
        if draft is not None:
            draft.discard()


def file_identity(path: str | Path) -> tuple[int, int] | None:
    """Device and inode: equal for two names of one file, however they are written or linked; None for no file."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all. Raises OutputError."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all. Raises OutputError."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` to `path` as JSON, whole or not at all. Raises OutputError."""
    write_text(path, json.dumps(value, indent=2) + "\n")
