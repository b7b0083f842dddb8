"""Read the JSON of a benchmark: what a later run is compared with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolact_deploy.errors import DataError

JSON_FORMAT = 4  # of a benchmark's JSON; grows when an older reader could misread a file
READABLE_FORMATS = (2, 3, 4)
MAX_FILE_BYTES = 256 << 20  # 256 MiB: more is not a benchmark's JSON
_SMALLEST, _LARGEST = 1e-12, 1e18  # of any number: what is beyond was not measured
MAX_TEXT = 300  # characters of a name or a description
_ADVICE = "measure again with this version and --json"

# The smallest change that counts, beside the spread of the rounds: what all rounds of one run share (where memory
# came to lie, how warm the machine was) differs between two runs.
BETWEEN_RUNS = 0.03
BETWEEN_RUNS_STAGE = 0.08  # of a few ms: equal runs of a small model differed by up to 7 %
MEMORY_BAND = 0.02
DETECTION_BAND = 0.01  # some detections lie at the threshold
AP_BAND = 0.05  # points: AP repeats exactly on one machine, and almost between machines
MATCH_BAND = 0.1  # %, likewise


@dataclass(frozen=True)
class Quantity:
    """One measured quantity of a model."""

    value: float
    unit: str  # "ms", "images/s", "MiB", "per image"; "points" and "%" are compared by difference, the others by ratio
    band: float  # smallest change that counts: a share, or in the unit where the difference is compared
    more: str  # what to call more of it
    less: str
    rounds: tuple[float, ...] | None = None  # the same of each round; None: not measured in rounds


@dataclass(frozen=True)
class SavedModel:
    """What was measured of one model."""

    quantities: dict[str, Quantity]  # by name: "end to end", "throughput", "network", "box AP", ...
    facts: dict[str, str]  # what should be the same in two runs, by name


@dataclass(frozen=True)
class SavedRun:
    """One run of the benchmark."""

    date: str  # UTC, ISO 8601
    models: dict[str, SavedModel]  # by name
    facts: dict[str, str]  # what should be the same in two runs, by name
    cores: float
    busy_cores: float | None  # that other processes used; None: not known


def read_saved(path: Path) -> SavedRun:
    """The run that `bench --json` wrote to `path`. Raises DataError, one line, for anything else."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DataError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB: name a file that bench --json wrote")
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"no such file to compare with: {path}") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise DataError(f"{path} is not JSON, or damaged: {_ADVICE}") from None
    if not isinstance(value, dict) or not {"format", "models", "hardware"} <= value.keys():
        raise DataError(f"{path} is not the JSON of a benchmark: name a file that bench --json wrote")
    if value["format"] not in READABLE_FORMATS:
        found = repr(value["format"])[:40]
        raise DataError(f"{path} has format {found}, this version reads {READABLE_FORMATS}: {_ADVICE}")
    try:
        return saved_run(value)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise DataError(f"{path} is damaged ({reason}): {_ADVICE}") from None


def saved_run(value: Mapping[str, Any]) -> SavedRun:
    """A benchmark's JSON as values. Raises LookupError, TypeError, ValueError, AttributeError or OverflowError when it
    is malformed."""
    hardware, options = value["hardware"], value["options"]
    facts = {name.replace("_", " "): _text(hardware.get(name)) for name in _HARDWARE}
    facts |= {_text(title): _text(version) for title, version in hardware["versions"].items()}
    chosen = {name: options.get(name) for name in _OPTIONS} | {"exif": options.get("exif", "auto")}
    facts |= {f"--{name}": "not given" if value is None else _text(value) for name, value in chosen.items()}
    busy = value.get("busy_cores")
    return SavedRun(
        date=_text(hardware["date"]),
        models={_text(model["name"]): _model(model) for model in value["models"]},
        facts={**facts, "data": _text(value["data"]["description"])},
        cores=_positive(hardware["cores"]),
        busy_cores=None if busy is None else _positive(busy),
    )


_HARDWARE = ("cpu", "cores", "gpu", "memory_bytes", "system", "tool_version")
_OPTIONS = ("device", "threads", "batch", "streams", "limit", "seed", "warmup", "iterations", "duration")


def _model(value: Mapping[str, Any]) -> SavedModel:
    timing = value["timing"]
    facts = {
        "file": f"SHA-256 {_text(value['sha256'])[:12]}",
        "runtime": _text(value["description"]),
        "images per call": _text(timing["images_per_call"]),
        "callers": _text(timing["throughput"]["streams"]),
    }
    return SavedModel(dict(_quantities(value)), facts)


def _quantities(value: Mapping[str, Any]) -> Iterator[tuple[str, Quantity]]:
    timing, throughput, parity = value["timing"], value["timing"]["throughput"], value["parity"]
    yield "end to end", _latency(timing["end_to_end"], BETWEEN_RUNS)
    rate, rounds = _positive(throughput["fps"]), tuple(map(_positive, throughput["rounds"]))
    yield "throughput", Quantity(rate, "images/s", BETWEEN_RUNS, "faster", "slower", rounds)
    for part in ("stages", "device"):
        for name, latency in (timing[part] or {}).items():
            yield _text(name), _latency(latency, BETWEEN_RUNS_STAGE)
    if value["memory"]:
        peak = _positive(value["memory"]["peak_bytes"]) / (1 << 20)
        yield "peak memory", Quantity(peak, "MiB", MEMORY_BAND, "more", "less")
    found = _positive(value["detections"]["per_image"])
    yield "detections", Quantity(found, "per image", DETECTION_BAND, "more", "less")
    shares = [(f"{kind} AP", value["accuracy"][kind]["ap"], "points", AP_BAND) for kind in ("box", "mask")]
    shares.append(("matched", parity["matches"]["rate"] if parity else None, "%", MATCH_BAND))
    for name, share, unit, band in shares:
        if share is not None:
            yield name, Quantity(_positive(share) * 100, unit, band, "better", "worse")


def _latency(value: Mapping[str, Any], band: float) -> Quantity:
    return Quantity(_positive(value["p50"]), "ms", band, "slower", "faster", tuple(map(_positive, value["rounds"])))


def _positive(value: Any) -> float:
    if not (float(value) == 0 or _SMALLEST < float(value) < _LARGEST):  # 0: a clock that is too coarse
        raise ValueError(f"{str(value)[:40]} where a measured number is expected")
    return float(value)


def _text(value: Any) -> str:
    """For people: one line, with what cannot be printed made visible."""
    shown = str(value)[:MAX_TEXT]
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in shown)
