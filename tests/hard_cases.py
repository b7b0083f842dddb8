"""Raw outputs that tempt a Fast NMS to go wrong, for the PyTorch reference and the ONNX functions alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from yolact_deploy.config.postprocess import PostprocessConfig


@dataclass(frozen=True)
class Case:
    """Raw outputs of one image."""

    loc: torch.Tensor  # [N,4]
    conf: torch.Tensor  # [N,1+C]
    coef: torch.Tensor  # [N,K]
    priors: torch.Tensor  # [N,4]


def random_case(seed: int, n: int = 40, classes: int = 3, prototypes: int = 4) -> Case:
    """Overlapping boxes with scores that are coarse enough to tie now and then."""
    rng = np.random.default_rng(seed)
    conf = rng.random((n, classes + 1)) ** 3
    conf = np.round(conf / conf.sum(1, keepdims=True), 2)
    priors = np.concatenate((rng.random((n, 2)), rng.uniform(0.1, 0.5, (n, 2))), axis=1)
    arrays = (rng.standard_normal((n, 4)), conf, rng.standard_normal((n, prototypes)), priors)
    return Case(*(torch.from_numpy(array.astype(np.float32)) for array in arrays))


def _changed(seed: int = 0, **changes: Callable[[torch.Tensor], torch.Tensor]) -> Case:
    case = random_case(seed)
    values = {name: getattr(case, name).clone() for name in ("loc", "conf", "coef", "priors")}
    for name, change in changes.items():
        values[name] = change(values[name])
    return Case(**values)


def _with(index: tuple[object, ...], value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor[index] = value
        return tensor

    return change


def _one_survivor(conf: torch.Tensor) -> torch.Tensor:
    conf[:, 1:] *= 0.01
    conf[17, 2] = 0.9
    return conf


def _same_box(priors: torch.Tensor) -> torch.Tensor:
    return priors[:1].expand_as(priors).clone()


HARD_CASES: dict[str, Callable[[], Case]] = {
    "random": lambda: _changed(1),
    "all scores equal": lambda: _changed(conf=lambda conf: torch.full_like(conf, 0.25)),
    "all below the threshold": lambda: _changed(conf=lambda conf: conf * 0.01),
    "one survivor": lambda: _changed(conf=_one_survivor),
    "one box for all": lambda: _changed(priors=_same_box, loc=torch.zeros_like),
    "class scores of exactly zero": lambda: _changed(conf=_with((slice(None), 3), 0.0)),
    "NaN score": lambda: _changed(conf=_with((slice(5, 9), 2), float("nan"))),
    "infinite score": lambda: _changed(conf=_with((slice(5, 9), 1), float("inf"))),
    "negative infinite score": lambda: _changed(conf=_with((slice(5, 9), 1), float("-inf"))),
    "NaN box": lambda: _changed(loc=_with((slice(3, 6), 0), float("nan"))),
    "overflowing box": lambda: _changed(loc=_with((slice(3, 6), 2), 1e4)),
    "enormous boxes": lambda: _changed(loc=_with((slice(3, 6), slice(2, 4)), 60.0)),
    "boxes without area": lambda: _changed(loc=_with((slice(0, 20), slice(2, 4)), -1e4), priors=_same_box),
    "boxes outside": lambda: _changed(loc=_with((slice(0, 10), slice(0, 2)), 100.0)),
    "inverted priors": lambda: _changed(priors=_with((slice(0, 10), 2), -0.2)),
}


# Rules of other code than the official; "levels" is filled in for each case.
RULES: dict[str, dict[str, bool]] = {
    "official": {},
    "clip": {"clip_boxes": True},
    "per class": {"threshold_per_class": True},
    "levels": {},
    "all": {"clip_boxes": True, "threshold_per_class": True},
}


def with_rules(config: PostprocessConfig, rules: str, case: Case) -> PostprocessConfig:
    """`config` with one of RULES, its level sizes being those of made-up levels of `case`."""
    config = replace(config, **RULES[rules])  # type: ignore[arg-type]
    if rules not in ("levels", "all"):
        return config
    count = len(case.priors)
    parts = (count - count // 2, count // 2 - count // 5, count // 5)  # finer levels have more
    return replace(config, candidates_per_level=max(1, count // 7), level_priors=tuple(part for part in parts if part))
