"""Which command makes what: a checkpoint becomes an ONNX file, an ONNX file becomes an engine."""

from __future__ import annotations

import shlex
from pathlib import Path

from yolact_deploy.artifacts.kinds import CHECKPOINT_SUFFIXES, ENGINE_SUFFIXES, Kind
from yolact_deploy.errors import ModelFileError, OutputError


def check_export(weights: Path, output: Path) -> None:
    """Raises ModelFileError or OutputError, with the commands that were meant, for what `export` does not do."""
    is_engine_wanted = _has(output, ENGINE_SUFFIXES)
    if _has(weights, Kind.ONNX.value):
        wanted = _build(weights, output) if is_engine_wanted else _build(weights)
        raise ModelFileError(f"{weights} is an exported file already; for an engine of it: {wanted}")
    if _has(weights, ENGINE_SUFFIXES):
        raise ModelFileError(f"{weights} is an engine, of which no other file can be made: export its checkpoint")
    if is_engine_wanted:
        exported = output.with_suffix(".onnx")
        raise OutputError(f"{output} is an engine, which takes two steps: {_both(weights, exported, output)}")
    if not _has(output, Kind.ONNX.value):
        raise OutputError(f"{output}: the name of an exported file ends in .onnx, as in {output.with_suffix('.onnx')}")


def check_build(source: Path, output: Path) -> None:
    """Raises ModelFileError, with the commands that were meant, for a source that `build-engine` does not take."""
    if _has(source, CHECKPOINT_SUFFIXES):
        exported = source.with_suffix(".onnx")
        raise ModelFileError(f"{source} is a checkpoint, so it takes two steps: {_both(source, exported, output)}")
    if _has(source, ENGINE_SUFFIXES):
        raise ModelFileError(f"{source} is an engine already: name the ONNX file that a new one is built from")


def _has(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.suffix.lower() in suffixes


def _both(weights: Path, exported: Path, engine: Path) -> str:
    return f"{_command('export', weights, '-o', exported)} && {_build(exported, engine)}"


def _build(source: Path, engine: Path | None = None) -> str:
    """The command; without the engine's name where it is the default."""
    words = () if engine in (None, source.with_suffix(".engine")) else ("-o", engine)
    return _command("build-engine", source, *words)


def _command(*words: object) -> str:
    return shlex.join(["yolact-deploy", *map(str, words)])
