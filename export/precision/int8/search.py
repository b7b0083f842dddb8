"""Which stages to keep in float, so that int8 loses no more AP than is allowed.

The cost of each stage is measured once, with that stage alone in int8. Then stages return to float one by one, that
with the most harm per work first, until the loss is met. Harm is agreement that is lost: 1 - matched detections * mean
mask IoU. It orders the stages better than their AP, which for one stage lies below the noise of a data set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import onnx

from yolact_deploy.artifacts.onnx_file import metadata_of
from yolact_deploy.errors import ConfigError, GateError
from yolact_deploy.export.precision.int8.convert import Int8Options, convert_int8
from yolact_deploy.export.precision.int8.network_part import cut_network
from yolact_deploy.export.precision.int8.stages import nodes_of_stages, stage_names, work_of_stages
from yolact_deploy.export.precision.int8.statistics import Statistics
from yolact_deploy.types import Advance


@dataclass(frozen=True)
class Loss:
    """A model compared with the fp32 file on a data set."""

    box: float  # AP that is lost, points; negative: won
    mask: float
    matched: float  # 0..1 of the detections
    mask_iou: float  # mean of the matched ones

    @property
    def points(self) -> float:
        """The larger loss of AP."""
        return max(self.box, self.mask)

    @property
    def harm(self) -> float:
        """Agreement that is lost, 0..1."""
        return 1 - self.matched * self.mask_iou


Measure = Callable[[onnx.ModelProto], Loss]


@dataclass(frozen=True)
class Trial:
    """One model that was measured."""

    kept: tuple[str, ...]  # stages in float
    loss: Loss


@dataclass(frozen=True)
class StageCost:
    """What a stage alone in int8 costs, and what it saves."""

    stage: str
    work: float  # share of all multiplications, 0..1: what int8 saves time on
    loss: Loss


@dataclass(frozen=True)
class Choice:
    """The stages to keep in float, and how that was found."""

    model: onnx.ModelProto
    costs: tuple[StageCost, ...]  # empty where int8 throughout is good enough
    trials: tuple[Trial, ...]  # the last one is chosen


def choose_stages(
    model: onnx.ModelProto,
    statistics: Statistics,
    options: Int8Options,
    max_ap_loss: float,
    measure: Measure,
    source: object,
    advance: Advance = lambda done, total: None,
) -> Choice:
    """The int8 model that keeps the fewest stages in float and loses at most `max_ap_loss` points of AP.

    What `options` keeps is kept in any case. Raises ConfigError for a limit that makes no sense, and GateError, naming
    the best that was found, when no choice meets it.
    """
    if not 0 <= max_ap_loss < 100:
        raise ConfigError(f"--max-ap-loss {max_ap_loss}: points of AP, 0 or more")
    metadata = metadata_of(model, source)
    always = options.stages(metadata)
    free = [stage for stage in stage_names(metadata.config) if stage not in always]

    def trial(kept: tuple[str, ...]) -> tuple[onnx.ModelProto, Trial]:
        kept = tuple(stage for stage in stage_names(metadata.config) if stage in kept)
        converted = convert_int8(model, statistics, replace(options, kept=kept), source)
        return converted, Trial(kept, measure(converted))

    most = 2 * len(free)  # models to measure, at most
    converted, first = trial(always)
    advance(1, most)
    if first.loss.points <= max_ap_loss:
        return Choice(converted, (), (first,))
    work = _work(model, source)
    costs = []
    for stage in free:
        alone = tuple(name for name in stage_names(metadata.config) if name != stage)
        costs.append(StageCost(stage, work[stage], trial(alone)[1].loss))
        advance(1 + len(costs), most)
    costs.sort(key=lambda cost: cost.loss.harm / max(cost.work, 1e-6), reverse=True)
    trials = [first]
    for count in range(1, len(free)):
        converted, latest = trial((*always, *(cost.stage for cost in costs[:count])))
        trials.append(latest)
        advance(len(free) + 1 + count, most)
        if latest.loss.points <= max_ap_loss:
            return Choice(converted, tuple(costs), tuple(trials))
    best = min(trials, key=lambda item: item.loss.points)
    kept = f"with {', '.join(best.kept)} in float" if best.kept else "with every stage in int8"
    raise GateError(
        f"int8 cannot keep the loss within {max_ap_loss:g} points of AP: the best of {len(trials)} choices loses "
        f"{best.loss.points:.2f}, {kept}"
    )


def _work(model: onnx.ModelProto, source: object) -> dict[str, float]:
    network = cut_network(model, source)
    return work_of_stages(network, nodes_of_stages(network, metadata_of(model, source).config))
