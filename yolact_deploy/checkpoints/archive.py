"""Looks at a checkpoint's bytes before torch does: what the file is, whether it is whole, and how much it would take.

torch checks neither the CRC of the zip format's records nor how large a compressed record grows.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
import zlib
from pathlib import Path

from ..errors import CheckpointError

# Beyond every training checkpoint, and little enough that nothing takes the memory or the stack.
MAX_RECORDS = 50_000  # of a zip: a storage each
MAX_PICKLE_BYTES = 16 << 20  # 16 MiB: names and shapes, no weights
MAX_PICKLE_TUPLES = 30_000  # a state dict needs 4 a tensor; nested in one another, they would overflow the stack
MAX_EXPANSION = 4  # times what a record takes in the file; float weights compress by a tenth

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = b"\x80\x02"  # torch has always written pickle protocol 2
_PICKLE_MARK = b"\x80"
_LFS_MAGIC = b"version https://git-lfs"
_LEGACY_PICKLES = 4  # magic number, protocol, machine, then names and shapes
_CHUNK_BYTES = 1 << 20


def check_file(path: Path) -> str:
    """The format of a .pth file, "zip" or "legacy". Raises CheckpointError when it is none, damaged or too large."""
    try:
        with open(path, "rb") as file:
            magic = file.read(len(_LFS_MAGIC))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read checkpoint {path}: {getattr(error, 'strerror', None) or error}") from None
    if not magic:
        raise CheckpointError(f"{path} is empty: download or copy the checkpoint again")
    if magic == _LFS_MAGIC:
        raise CheckpointError(f"{path} is a Git LFS pointer, not the file that it stands for: run `git lfs pull`")
    if magic.startswith(ZIP_MAGIC):
        _check_zip(path)
        return "zip"
    if magic.startswith(LEGACY_MAGIC):
        _check_legacy(path)
        return "legacy"
    if magic.startswith(_PICKLE_MARK):
        raise CheckpointError(
            f"{path} is refused: a plain pickle could run code; save it with torch.save(state_dict, ...)"
        )
    raise CheckpointError(f"{path} is not a PyTorch checkpoint: download or copy it again")


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            _check_directory(archive, path)
            for record in archive.infolist():
                _check_record(archive, record, path)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} is damaged or cut off ({error or type(error).__name__}): download or copy it again"
        ) from None


def _check_directory(archive: zipfile.ZipFile, path: Path) -> None:
    records = archive.infolist()
    names = {record.filename.partition("/")[2] for record in records}
    if "constants.pkl" in names:
        raise CheckpointError(
            f"{path} is TorchScript, a program and not a checkpoint: save torch.save(model.state_dict(), ...) instead"
        )
    expanded = sum(record.file_size for record in records)
    if len(records) > MAX_RECORDS or expanded > MAX_EXPANSION * path.stat().st_size:
        raise CheckpointError(
            f"{path} is refused: its {len(records)} records claim {expanded} bytes, more than {MAX_RECORDS} records or "
            f"{MAX_EXPANSION} times the file"
        )


def _check_record(archive: zipfile.ZipFile, record: zipfile.ZipInfo, path: Path) -> None:
    """Read a record whole: zipfile compares its CRC."""
    if record.CRC == 0:  # none was written: torch.serialization.set_crc32_options(False)
        record.CRC = None  # type: ignore[assignment]  # zipfile compares nothing then
    with archive.open(record) as file:
        if record.filename.endswith("data.pkl"):
            _check_pickle(io.BytesIO(file.read(MAX_PICKLE_BYTES + 1)), path)
        while file.read(_CHUNK_BYTES):
            pass


def _check_legacy(path: Path) -> None:
    try:
        with open(path, "rb") as file:
            head = io.BytesIO(file.read(MAX_PICKLE_BYTES + 1))  # a file makes room for what a length only claims
        for _ in range(_LEGACY_PICKLES):
            _check_pickle(head, path)
    except (OSError, EOFError, ValueError):
        raise CheckpointError(f"{path} is damaged or cut off: download or copy it again") from None


def _check_pickle(stream: io.BytesIO, path: Path) -> None:
    tuples = 0
    for operation, _, position in pickletools.genops(stream):
        tuples += operation.name.startswith("TUPLE")
        if tuples > MAX_PICKLE_TUPLES or (position or 0) > MAX_PICKLE_BYTES:
            raise CheckpointError(
                f"{path} is refused: its pickle has more than {MAX_PICKLE_BYTES >> 20} MiB or "
                f"{MAX_PICKLE_TUPLES} tuples"
            )
