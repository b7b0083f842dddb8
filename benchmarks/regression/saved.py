"""The JSON of a benchmark, read again: what a later run is compared with."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolact_deploy.errors import DataError

JSON_FORMAT = 2  # of a benchmark's JSON; grows when a reader of this version could misread a file
_SMALLEST, _LARGEST = 1e-12, 1e18  # of any number: what is beyond is no measurement
_ADVICE = "measure again with this version and --json"


@dataclass(frozen=True)
class SavedTime:
    """A repeated measurement: of a latency in ms, of a throughput in images a second."""

    value: float
    rounds: tuple[float, ...]  # the same of each round
    rounds_on_core: tuple[float, ...] = ()  # without waiting for cores that other processes had; empty where unknown

    @property
    def on_core(self) -> SavedTime | None:
        """The same without that waiting; None where it is unknown."""
        numbers = (self.value, *self.rounds, *self.rounds_on_core)
        if len(self.rounds_on_core) != len(self.rounds) or not self.rounds or not min(numbers):
            return None
        share = statistics.median(self.rounds_on_core) / statistics.median(self.rounds)
        return SavedTime(self.value * share, self.rounds_on_core)


@dataclass(frozen=True)
class SavedModel:
    """What was measured of one model."""

    name: str
    sha256: str
    description: str  # what ran it
    images_per_call: int
    streams: int
    end_to_end: SavedTime
    throughput: SavedTime
    stages: dict[str, SavedTime]  # empty when it was not run in stages
    device: dict[str, SavedTime]  # of an engine, else empty
    peak_bytes: int | None
    box_ap: float | None  # 0..1
    mask_ap: float | None
    detections: float  # an image
    match_rate: float | None  # 0..1; None: not compared with a reference


@dataclass(frozen=True)
class SavedRun:
    """One run of the benchmark."""

    models: dict[str, SavedModel]  # by name
    data: str  # in words
    hardware: dict[str, Any]
    options: dict[str, Any]

    @property
    def date(self) -> str:
        """When, UTC, ISO 8601."""
        return str(self.hardware["date"])


def read_saved(path: Path) -> SavedRun:
    """The run that `bench --json` wrote to `path`. Raises DataError, one line, for anything else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"no such file to compare with: {path}") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise DataError(f"{path} is no JSON, or damaged: {_ADVICE}") from None
    if not isinstance(value, dict) or not {"format", "models", "hardware"} <= value.keys():
        raise DataError(f"{path} is not the JSON of a benchmark: name a file that bench --json wrote")
    if value["format"] != JSON_FORMAT:
        raise DataError(
            f"{path} has format {value['format']!r}, this version compares with format {JSON_FORMAT}: {_ADVICE}"
        )
    try:
        return saved_run(value)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise DataError(f"{path} is damaged ({reason}): {_ADVICE}") from None


def saved_run(value: Mapping[str, Any]) -> SavedRun:
    """A benchmark's JSON as values. Raises KeyError, TypeError, ValueError, AttributeError or
    OverflowError when it is malformed."""
    models = [_model(model) for model in value["models"]]
    hardware, options = dict(value["hardware"]), dict(value["options"])
    for name in ("cpu", "cores", "gpu", "date"):
        _ = hardware[name]
    hardware["versions"] = {str(title): version for title, version in dict(hardware["versions"]).items()}
    return SavedRun({model.name: model for model in models}, str(value["data"]["description"]), hardware, options)


def _model(value: Mapping[str, Any]) -> SavedModel:
    timing = value["timing"]
    throughput = timing["throughput"]
    parity = value["parity"]
    return SavedModel(
        name=str(value["name"]),
        sha256=str(value["sha256"]),
        description=str(value["description"]),
        images_per_call=int(timing["images_per_call"]),
        streams=int(throughput["streams"]),
        end_to_end=_latency(timing["end_to_end"]),
        throughput=_repeated(throughput["fps"], throughput),
        stages={name: _latency(latency) for name, latency in (timing["stages"] or {}).items()},
        device={name: _latency(latency) for name, latency in (timing["device"] or {}).items()},
        peak_bytes=int(_positive(value["memory"]["peak_bytes"])) if value["memory"] else None,
        box_ap=_number(value["accuracy"]["box"]["ap"]),
        mask_ap=_number(value["accuracy"]["mask"]["ap"]),
        detections=_positive(value["detections"]["per_image"]),
        match_rate=_number(parity["matches"]["rate"]) if parity else None,
    )


def _latency(value: Mapping[str, Any]) -> SavedTime:
    return _repeated(value["p50"], value)


def _repeated(typical: Any, value: Mapping[str, Any]) -> SavedTime:
    rounds, on_core = (tuple(map(_positive, value[name])) for name in ("rounds", "rounds_on_core"))
    return SavedTime(_positive(typical), rounds, on_core)


def _positive(value: Any) -> float:
    if not (float(value) == 0 or _SMALLEST < float(value) < _LARGEST):  # 0: a clock that is too coarse
        raise ValueError(f"{value} where a measured number is expected")
    return float(value)


def _number(value: Any) -> float | None:
    return None if value is None else _positive(value)
