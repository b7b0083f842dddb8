"""Files written whole or not at all, and their hashes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import OutputError

_CHUNK_BYTES = 1 << 20  # 1 MiB
MAX_NAME_BYTES = 255  # of a file name, on the file systems in use


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


def make_output_folder(folder: str | Path) -> Path:
    """Create `folder` where it is missing and prove that files can be written into it.

    Raises OutputError otherwise.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {error.strerror or error}; choose another folder") from None
    return folder


def temporary_beside(path: Path) -> Path:
    """A hidden name in the folder of `path`, with its suffix; short where the name is as long as names can be."""
    return path.with_name(f".{zlib.crc32(os.fsencode(path.name)):08x}.{os.getpid()}.part{path.suffix}")


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
    path = Path(path)
    temporary = temporary_beside(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; nothing was kept of it") from None
    finally:
        with contextlib.suppress(OSError):  # a path that cannot exist has nothing to remove
            temporary.unlink(missing_ok=True)


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
