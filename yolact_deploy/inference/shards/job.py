"""What a folder of shards is for: the pictures, the model and all that decides about the result."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...config.model import ModelConfig
from ...config.plain_values import parse_json
from ...errors import ConfigError, DataError, OutputError
from ...files import Draft, make_output_folder, write_bytes

SHARD_SIZE = 256  # pictures
MAX_SHARD_SIZE = 10_000
_FACTS, _PICTURES = "job.json", "pictures"
_RESULTS, _CLAIMS, _WORKERS = _FOLDERS = ("results", "claims", "workers")
_SEPARATOR = "\0"  # between names, which may hold anything else
_MAX_NAMES_TOLD = 3

Facts = dict[str, str]  # what has to be equal, name -> value as a reader is told it


@dataclass(frozen=True)
class ShardJob:
    """A job in its folder."""

    folder: Path
    names: tuple[str, ...]  # of the pictures, in order: paths inside the source
    shard_size: int  # pictures
    config: ModelConfig
    identity: str  # SHA-256 of everything that decides about the result

    @property
    def shards(self) -> int:
        """Their number."""
        return -(-len(self.names) // self.shard_size)

    def range_of(self, shard: int) -> range:
        """Which pictures a shard has, as indices of `names`."""
        return range(shard * self.shard_size, min((shard + 1) * self.shard_size, len(self.names)))

    @property
    def results(self) -> Path:
        """The folder of finished shards."""
        return self.folder / _RESULTS

    @property
    def claims(self) -> Path:
        """The folder that says who works on what."""
        return self.folder / _CLAIMS

    @property
    def workers(self) -> Path:
        """The folder of the workers' signs of life."""
        return self.folder / _WORKERS

    def result_path(self, shard: int) -> Path:
        """The file of a finished shard."""
        return self.results / f"{shard:06d}.jsonl"

    def finished(self) -> set[int]:
        """The shards that are done."""
        stems = (name.removesuffix(".jsonl") for name in os.listdir(self.results) if name.endswith(".jsonl"))
        return {int(stem) for stem in stems if stem.isdecimal() and int(stem) < self.shards}

    def pictures_in(self, shards: set[int]) -> int:
        """How many pictures some of the shards have together."""
        return sum(len(self.range_of(shard)) for shard in shards)


@dataclass(frozen=True)
class JobDescription:
    """A job as a command asks for it."""

    names: tuple[str, ...]
    shard_size: int
    config: ModelConfig
    facts: Facts  # everything else that decides about the result, such as {"--score": "0.3"}

    @cached_property
    def content(self) -> dict[str, Any]:
        """As it stands in the folder."""
        decisive = {
            "version": __version__,
            "pictures": {"count": len(self.names), "sha256": hashlib.sha256(packed(self.names)).hexdigest()},
            "shard_size": self.shard_size,
            "facts": {name: _printable(value) for name, value in self.facts.items()},
            "config": json.loads(json.dumps(self.config.to_dict())),
        }
        identity = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
        return {"made_by": f"yolact-deploy {__version__}", "identity": identity, **decisive}

    def join(self, folder: Path) -> ShardJob:
        """Begin the job in `folder`, or go on with it where another run has begun it.

        Raises OutputError when the folder holds another job or something else, or cannot be written.
        """
        check_folder(folder)
        for name in ("", *_FOLDERS):
            make_output_folder(folder / name)
        facts = folder / _FACTS
        if not facts.exists():
            write_bytes(_names_path(folder, self.content), packed(self.names))
            _write_if_first(facts, json.dumps(self.content, indent=1).encode())
        found = _read_facts(folder)
        if found["identity"] != self.content["identity"]:
            raise OutputError(f"{folder} is of another job: {self._difference(folder, found)}; name another folder")
        return _job(folder, found, self.names)

    def _difference(self, folder: Path, found: dict[str, Any]) -> str:
        """What tells the job in the folder from this one."""
        wanted = self.content
        for name, text in (("version", "yolact-deploy {}"), ("shard_size", "--shard-size {}")):
            if found[name] != wanted[name]:
                return f"it has {text.format(found[name])}, not {wanted[name]}"
        for name in {**found["facts"], **wanted["facts"]}:
            there, here = found["facts"].get(name, "none"), wanted["facts"].get(name, "none")
            if there != here:
                return f"its {name} is {there}, not {here}"
        if found["pictures"] != wanted["pictures"]:
            return _other_pictures(_read_names(folder, found), self.names)
        return "its model has another configuration"


def check_folder(folder: Path) -> None:
    """Raises OutputError for a folder that holds something else than a job."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: name a folder for the shards")
    if folder.is_dir() and not (folder / _FACTS).exists():
        others = sorted(name for name in os.listdir(folder) if not name.startswith((".", f"{_PICTURES}-")))
        others = [name for name in others if name not in _FOLDERS]
        if others:
            raise OutputError(f"{folder} holds {others[0]} and no job of yolact-deploy: name an empty folder")


def open_job(folder: Path) -> ShardJob:
    """The job that is in `folder`. Raises DataError when there is none, or it is damaged."""
    if not (folder / _FACTS).is_file():
        raise DataError(f"{folder} holds no job: name the folder that was given to infer --shards")
    found = _read_facts(folder)
    return _job(folder, found, _read_names(folder, found))


def _printable(text: str) -> str:
    """`text`, with what is no whole character (of a file name that is no UTF-8) as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def packed(names: Sequence[str]) -> bytes:
    """Names as they stand in a file."""
    return _SEPARATOR.join(names).encode("utf-8", "surrogateescape")


def _names_path(folder: Path, content: dict[str, Any]) -> Path:
    """Named by what is in it: two jobs that begin at once in one folder do not write the same file."""
    return folder / f"{_PICTURES}-{content['pictures']['sha256'][:16]}.list"


def _read_names(folder: Path, content: dict[str, Any]) -> tuple[str, ...]:
    path = _names_path(folder, content)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    if hashlib.sha256(data).hexdigest() != content["pictures"]["sha256"]:
        raise DataError(f"{path} is damaged: start the job again in another folder")
    return tuple(data.decode("utf-8", "surrogateescape").split(_SEPARATOR))


def _job(folder: Path, found: dict[str, Any], names: tuple[str, ...]) -> ShardJob:
    try:
        config = ModelConfig.from_dict(found["config"])
    except ConfigError as error:
        raise DataError(f"{folder / _FACTS} is damaged ({error}): start the job again in another folder") from None
    return ShardJob(folder, names, found["shard_size"], config, found["identity"])


_KINDS = {"version": str, "identity": str, "pictures": dict, "shard_size": int, "facts": dict, "config": dict}


def _read_facts(folder: Path) -> dict[str, Any]:
    path = folder / _FACTS
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, ConfigError) as error:
        raise DataError(f"{path} is damaged ({error}): start the job again in another folder") from None
    is_whole = isinstance(found, dict) and all(isinstance(found.get(key), kind) for key, kind in _KINDS.items())
    if not is_whole or found["shard_size"] < 1 or not isinstance(found["pictures"].get("sha256"), str):
        raise DataError(f"{path} is damaged or of something else: start the job again in another folder")
    return found


def _write_if_first(path: Path, data: bytes) -> None:
    """Write `path` whole, unless another process has been faster. Raises OutputError."""
    try:
        draft = Draft(path)
        try:
            draft.path.write_bytes(data)
            draft.keep_if_first()
        finally:
            draft.discard()
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None


def _other_pictures(there: Sequence[str], here: Sequence[str]) -> str:
    """How two lists of pictures differ."""
    extra, gone = sorted(set(here).difference(there)), sorted(set(there).difference(here))
    parts = [
        f"{len(names)} {what} ({', '.join(names[:_MAX_NAMES_TOLD])}{', ...' if len(names) > _MAX_NAMES_TOLD else ''})"
        for names, what in ((extra, "pictures are new"), (gone, "are gone"))
        if names
    ]
    return "; ".join(parts) or "its pictures are in another order"
