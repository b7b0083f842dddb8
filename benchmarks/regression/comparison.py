"""What changed between two runs of the benchmark: the ratio of their medians against the spread of their rounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from yolact_deploy.benchmarks.regression.saved import Quantity, SavedModel, SavedRun
from yolact_deploy.errors import DataError, YolactDeployError
from yolact_deploy.telemetry.cpu import BUSY_SHARE

NO_CHANGE, UNKNOWN = "no change", "unknown"
GATED = ("end to end", "throughput")  # what --max-slowdown judges
SUMMARISED = (*GATED, "box AP", "mask AP", "matched")  # what says that the model itself changed, not a stage of it
BY_DIFFERENCE = ("points", "%")
MIN_ROUNDS = 2  # fewer have no spread
WIDE_BAND = 0.2  # of noise: what is wider is worth a warning


@dataclass(frozen=True)
class Change:
    """One quantity of one model, then and now."""

    what: str  # "end to end", "throughput", "network", "box AP", ...
    unit: str
    old: float
    new: float
    change: float | None  # new / old - 1, or in points or % the difference; None: the old value is 0
    band: float | None  # what noise may do to `change`; None: too few rounds to tell
    verdict: str  # NO_CHANGE, UNKNOWN, or what it became: "slower", "faster", "more", "less", "better", "worse"

    @property
    def is_relative(self) -> bool:
        """Whether `change` and `band` are shares."""
        return self.unit not in BY_DIFFERENCE

    @property
    def slowdown(self) -> float:
        """How much longer the same work takes, as a share: 0.25 for a latency of 5/4, or a throughput of 4/5."""
        if not self.change or self.change == -1:
            return 0.0
        return 1 / (1 + self.change) - 1 if self.what == "throughput" else self.change


@dataclass(frozen=True)
class ModelChanges:
    """One model that both runs measured."""

    name: str
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]  # why the two may not be comparable


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
    """Compare models of the same name. Raises DataError when there is none."""
    check_names(old, list(new.models), source)
    models = tuple(_compare(name, old.models[name], model) for name, model in new.models.items() if name in old.models)
    return Comparison(
        source=source,
        date=old.date,
        models=models,
        only_old=tuple(name for name in old.models if name not in new.models),
        only_new=tuple(name for name in new.models if name not in old.models),
        warnings=(*_differing(old.facts, new.facts), *_busy_then(old)),
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


def _compare(name: str, old: SavedModel, new: SavedModel) -> ModelChanges:
    changes = tuple(
        _change(what, old.quantities[what], now) for what, now in new.quantities.items() if what in old.quantities
    )
    return ModelChanges(name, changes, tuple(f"{name}: {line}" for line in _differing(old.facts, new.facts)))


def _change(what: str, old: Quantity, new: Quantity) -> Change:
    change: float | None = new.value - old.value
    if new.unit not in BY_DIFFERENCE:
        change = new.value / old.value - 1 if old.value else None
    spreads = [spread(each.rounds) for each in (old, new) if each.rounds is not None]
    known = [each for each in spreads if each is not None]
    if len(known) < len(spreads):
        return Change(what, new.unit, old.value, new.value, change, None, UNKNOWN)
    band = max(new.band, *known) if known else new.band
    effect = change if change is not None else new.value  # from nothing to something
    verdict = NO_CHANGE if abs(effect) <= band else new.more if effect > 0 else new.less
    return Change(what, new.unit, old.value, new.value, change, band, verdict)


def spread(rounds: tuple[float, ...]) -> float | None:
    """How far the rounds of one run are apart: the largest over the smallest, - 1; None when there are too few."""
    return max(rounds) / min(rounds) - 1 if len(rounds) >= MIN_ROUNDS and min(rounds) > 0 else None


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys((*old, *new)):
        then, now = old.get(name, "absent"), new.get(name, "absent")
        if then != now:
            yield f"{name} was {then}, is {now}"


def _busy_then(old: SavedRun) -> Iterator[str]:
    """What the report of the older run said then; of this run, its own notes say it."""
    if old.busy_cores is not None and old.busy_cores > BUSY_SHARE * old.cores:
        yield f"other processes used {old.busy_cores:.1f} cores then: its times may be too long"


def _failures(models: tuple[ModelChanges, ...], allowed: float) -> Iterator[str]:
    for model in models:
        for change in model.changes:
            if change.what not in GATED:
                continue
            if change.band is None:
                yield f"{model.name}: {change.what}: too few rounds to judge it: pass --repeats 3 or more"
            elif change.verdict == "slower" and change.slowdown > allowed:
                yield (
                    f"{model.name}: {change.what} went from {change.old:.3g} to {change.new:.3g} {change.unit}, "
                    f"{change.slowdown:.1%} slower (noise {change.band:.1%}), allowed are {allowed:.1%}"
                )
