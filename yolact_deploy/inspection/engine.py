"""What an engine is, as its manifest says. The engine itself is not opened: it can run any code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..artifacts.manifest import Manifest, manifest_path
from ..errors import ModelFileError
from ..files import sha256_of


@dataclass(frozen=True)
class EngineInfo:
    """An engine file."""

    path: Path
    size_bytes: int
    sha256: str
    manifest: Manifest | None  # None: there is none that can be read
    notes: tuple[str, ...]


def inspect_engine(path: str | Path) -> EngineInfo:
    """Say what an engine is; loads and runs nothing. Raises ModelFileError when it is missing."""
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"no such file: {path}")
    manifest: Manifest | None = None
    notes: list[str] = []
    if manifest_path(path).exists():
        try:
            manifest = Manifest.read(path)
            manifest.check_file(path)
        except ModelFileError as error:
            notes.append(f"does not run: {error}")
    else:
        notes.append(f"no manifest ({manifest_path(path).name}), so nothing is known of it")
    return EngineInfo(path, path.stat().st_size, sha256_of(path), manifest, tuple(notes))
