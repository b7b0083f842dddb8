"""What changed between two runs of the benchmark, and whether that is more than noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from yolact_deploy.benchmarks.regression.noise import BETWEEN_RUNS, BETWEEN_RUNS_STAGE, noise_band
from yolact_deploy.benchmarks.regression.saved import SavedModel, SavedRun, SavedTime
from yolact_deploy.errors import DataError, YolactDeployError

NO_CHANGE, UNKNOWN = "no change", "unknown"
AP_BAND = 0.0005  # 0.05 point: AP repeats exactly on one machine, and almost between machines
MATCH_BAND = 0.001  # 0.1 %, likewise
MEMORY_BAND = 0.02  # of the peak, which depends on when threads come and go
DETECTION_BAND = 0.01  # of the detections an image: some lie at the threshold
MIN_WAITED = 0.02  # share of the time: less is not worth a word
_MIB = 1 << 20
_SMALLEST_SHARE = 1e-9  # of a time that was no waiting: never 0
_LARGEST_LOG = 20.0  # of a band: beyond any noise, but still a number
_COMPARED_OPTIONS = ("device", "threads", "batch", "streams", "limit", "seed", "warmup", "iterations", "duration")


@dataclass(frozen=True)
class Change:
    """One quantity of one model, then and now."""

    what: str  # "end to end", "throughput", "network", "box AP", ...
    unit: str  # "ms", "images/s", "MiB", "an image"; "share": 0..1
    old: float
    new: float
    change: float | None  # new / old - 1, or the difference of two shares; None: there was nothing
    band: float | None  # what noise may do to `change`; None: too few rounds to tell
    verdict: str  # "no change", "unknown", or what it became: "slower", "faster", "more", "less", "better", "worse"
    is_relative: bool
    waited: tuple[float, float] | None = None  # share of the measured time that `old` and `new` are without; see saved

    @property
    def has_waited(self) -> bool:
        """Whether so much is left out that `old` and `new` are not what the runs' own tables show."""
        return self.waited is not None and max(self.waited) >= MIN_WAITED


@dataclass(frozen=True)
class ModelChanges:
    """One model that both runs measured."""

    name: str
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]  # why the two may not be comparable

    @property
    def gated(self) -> tuple[Change, ...]:
        """What --max-slowdown judges."""
        return tuple(change for change in self.changes if change.what in ("end to end", "throughput"))

    @property
    def of_the_whole(self) -> tuple[Change, ...]:
        """What says that the model itself changed: its speed as a whole and its accuracy, not its stages."""
        return (*self.gated, *(change for change in self.changes if change.what in ("box AP", "mask AP", "matched")))


@dataclass(frozen=True)
class Comparison:
    """Two runs."""

    source: str  # where the older one was read
    date: str  # of the older one
    models: tuple[ModelChanges, ...]
    only_old: tuple[str, ...]  # names of models
    only_new: tuple[str, ...]
    warnings: tuple[str, ...]  # why the two may not be comparable
    max_slowdown: float | None = None  # 0.05: 5 % slower is allowed; None: no gate
    failures: tuple[str, ...] = ()  # of that gate

    @property
    def passed(self) -> bool:
        """Whether nothing became slower than allowed."""
        return not self.failures


def compare_runs(old: SavedRun, new: SavedRun, source: str, max_slowdown: float | None = None) -> Comparison:
    """Models of the same name are compared. Raises DataError when there is none."""
    check_names(old, list(new.models), source)
    models = tuple(_compare_models(old.models[name], model) for name, model in new.models.items() if name in old.models)
    return Comparison(
        source=source,
        date=old.date,
        models=models,
        only_old=tuple(name for name in old.models if name not in new.models),
        only_new=tuple(name for name in new.models if name not in old.models),
        warnings=tuple(_run_warnings(old, new)),
        max_slowdown=max_slowdown,
        failures=() if max_slowdown is None else tuple(_failures(models, max_slowdown)),
    )


def check_names(old: SavedRun, names: list[str], source: str) -> None:
    """Raises DataError when none of the models `names` is in the older run."""
    if not set(names) & set(old.models):
        raise DataError(f"{source} has none of the models measured now: it has {', '.join(old.models) or 'no model'}")


def read_percentage(text: str) -> float:
    """The share that "5%" means, 0.05. Raises YolactDeployError for anything else."""
    number = text.removesuffix("%")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if number == text or not 0 <= value < math.inf:
        raise YolactDeployError(f"--max-slowdown {text}: a percentage of 0 or more with its sign, such as 5%")
    return value / 100


def slowdown(change: Change) -> float:
    """How much longer the same work takes, as a share: 0.25 for a latency of 5/4, or a throughput of 4/5."""
    if not change.change or change.change == -1:
        return 0.0
    return 1 / (1 + change.change) - 1 if change.what == "throughput" else change.change


def _failures(models: tuple[ModelChanges, ...], allowed: float) -> Iterator[str]:
    for model in models:
        for change in model.gated:
            if change.band is None:
                yield (
                    f"{model.name}: {change.what} was measured in too few rounds to judge it: pass --repeats 3 or more"
                )
            elif change.verdict == "slower" and slowdown(change) > allowed:
                left_out = ", without waiting for cores that other processes had" if change.has_waited else ""
                yield (
                    f"{model.name}: {change.what} went from {change.old:.2f} to {change.new:.2f} {change.unit}"
                    f"{left_out}, {slowdown(change):.1%} slower (noise band {change.band:.1%}), "
                    f"allowed are {allowed:.1%}"
                )


def _compare_models(old: SavedModel, new: SavedModel) -> ModelChanges:
    return ModelChanges(new.name, tuple(_changes(old, new)), tuple(_model_warnings(old, new)))


def _changes(old: SavedModel, new: SavedModel) -> Iterator[Change]:
    yield _latency("end to end", old.end_to_end, new.end_to_end)
    yield _timed("throughput", "images/s", old.throughput, new.throughput, ("faster", "slower"))
    for then, now in ((old.stages, new.stages), (old.device, new.device)):
        yield from (_latency(name, then[name], now[name], BETWEEN_RUNS_STAGE) for name in now if name in then)
    if old.peak_bytes and new.peak_bytes:
        yield _scaled("peak memory", "MiB", old.peak_bytes / _MIB, new.peak_bytes / _MIB, MEMORY_BAND)
    yield _scaled("detections", "an image", old.detections, new.detections, DETECTION_BAND)
    for what, then_share, now_share, band in (
        ("box AP", old.box_ap, new.box_ap, AP_BAND),
        ("mask AP", old.mask_ap, new.mask_ap, AP_BAND),
        ("matched", old.match_rate, new.match_rate, MATCH_BAND),
    ):
        if then_share is not None and now_share is not None:
            difference = now_share - then_share
            verdict = _verdict(difference, band, ("better", "worse"))
            yield Change(what, "share", then_share, now_share, difference, band, verdict, is_relative=False)


def _latency(what: str, old: SavedTime, new: SavedTime, between_runs: float = BETWEEN_RUNS) -> Change:
    return _timed(what, "ms", old, new, ("slower", "faster"), between_runs)


def _timed(
    what: str, unit: str, old: SavedTime, new: SavedTime, words: tuple[str, str], between_runs: float = BETWEEN_RUNS
) -> Change:
    """words: for more and for less."""
    then, now, waited = old, new, None
    if old.on_core is not None and new.on_core is not None:
        then, now = old.on_core, new.on_core
        waited = (_waited(old.value, then.value), _waited(new.value, now.value))
    log_band = noise_band(then.rounds, now.rounds, between_runs)
    change = now.value / then.value - 1 if then.value else 0.0
    if log_band is None or not now.value or not then.value:
        return Change(what, unit, then.value, now.value, change, None, UNKNOWN, True, waited)
    verdict = _verdict(math.log(now.value / then.value), log_band, words)
    band = math.expm1(min(log_band, _LARGEST_LOG))
    return Change(what, unit, then.value, now.value, change, band, verdict, True, waited)


def _waited(measured: float, on_core: float) -> float:
    """The share of a time that went by waiting, from it (or its rate) with and without that."""
    return 1 - max(min(measured, on_core) / max(measured, on_core), _SMALLEST_SHARE)


def _scaled(what: str, unit: str, old: float, new: float, band: float) -> Change:
    verdict = _verdict(new - old, band * old, ("more", "less"))
    return Change(what, unit, old, new, new / old - 1 if old else None, band, verdict, is_relative=True)


def _verdict(change: float, band: float, words: tuple[str, str]) -> str:
    if abs(change) <= band:
        return NO_CHANGE
    return words[0] if change > 0 else words[1]


def _model_warnings(old: SavedModel, new: SavedModel) -> Iterator[str]:
    if old.sha256 != new.sha256:
        yield f"{new.name}: the file is another one (SHA-256 {old.sha256[:12]}, now {new.sha256[:12]})"
    for what, then, now in (
        ("it ran on", old.description, new.description),
        ("images a call:", old.images_per_call, new.images_per_call),
        ("callers at the same time:", old.streams, new.streams),
    ):
        if then != now:
            yield f"{new.name}: {what} {then}, now {now}"


def _run_warnings(old: SavedRun, new: SavedRun) -> Iterator[str]:
    for name in ("cpu", "cores", "gpu", "memory_bytes", "system", "tool_version"):
        then, now = old.hardware.get(name), new.hardware.get(name)
        if then != now:
            yield f"{name.replace('_', ' ')} was {then}, is {now}"
    then_versions, now_versions = old.hardware["versions"], new.hardware["versions"]
    for title in sorted({*then_versions, *now_versions}):
        if then_versions.get(title) != now_versions.get(title):
            yield f"{title} was {then_versions.get(title, 'absent')}, is {now_versions.get(title, 'absent')}"
    for name in _COMPARED_OPTIONS:
        then, now = old.options.get(name), new.options.get(name)
        if then != now:
            yield f"--{name} was {_option(then)}, is {_option(now)}"
    if old.data != new.data:
        yield f"data was {old.data}; is {new.data}"


def _option(value: object) -> str:
    return "left out" if value is None else str(value)
