"""How a model's outputs become detections: the rules of Fast NMS."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .anchors import MAX_LEVELS, MAX_PRIORS
from .thresholds import checked_score
from .values import checked_fields

if TYPE_CHECKING:
    from .model import ModelConfig

MAX_CANDIDATES_PER_LEVEL = 3840  # what TensorRT's TopK takes


@dataclass(frozen=True)
class PostprocessConfig:
    """Fast NMS. The defaults are those of the official `eval.py`."""

    score_threshold: float = 0.05  # a prior whose best class is not above it is dropped
    iou_threshold: float = 0.5  # a detection falls when it overlaps a better one of its class by more
    top_k: int = 200  # candidates per class (cross-class: in all)
    max_detections: int = 100  # detections per image (cross-class: `top_k`, as in the official code)
    cross_class: bool = False  # suppress across classes, each prior by its best class only
    clip_boxes: bool = False  # hold boxes within the image before suppression
    threshold_per_class: bool = False  # drop detections whose own score is not above score_threshold, too
    candidates_per_level: int = 0  # of each FPN level only so many priors take part, by their best class; 0: all
    level_priors: tuple[int, ...] = ()  # priors of each level, finest first, where candidates_per_level counts them

    def __post_init__(self) -> None:
        for field in ("score_threshold", "iou_threshold"):
            checked_score(getattr(self, field), field)
        for field in ("top_k", "max_detections"):
            if not isinstance(getattr(self, field), int) or not 1 <= getattr(self, field) <= 1024:
                raise ConfigError(f"{field} {reprlib.repr(getattr(self, field))}: a whole number between 1 and 1024")
        if not 0 <= self.candidates_per_level <= MAX_CANDIDATES_PER_LEVEL:
            raise ConfigError(
                f"candidates_per_level {self.candidates_per_level}: up to {MAX_CANDIDATES_PER_LEVEL}, or 0 for no limit"
            )
        if len(self.level_priors) > MAX_LEVELS or not all(1 <= count <= MAX_PRIORS for count in self.level_priors):
            raise ConfigError(f"level_priors: up to {MAX_LEVELS} levels of 1 to {MAX_PRIORS} priors")

    def with_rules(self, family: PostprocessConfig) -> PostprocessConfig:
        """The same thresholds and counts, and besides its own rules those of a family."""
        return replace(
            self,
            clip_boxes=self.clip_boxes or family.clip_boxes,
            threshold_per_class=self.threshold_per_class or family.threshold_per_class,
            candidates_per_level=self.candidates_per_level or family.candidates_per_level,
        )

    def for_model(self, config: ModelConfig) -> PostprocessConfig:
        """The same with the level sizes of `config`, where they matter."""
        return replace(self, level_priors=config.level_priors if self.candidates_per_level else ())

    def check_levels(self, num_priors: int) -> None:
        """Raises ConfigError unless the levels are those of `num_priors` priors, where they matter."""
        if self.candidates_per_level and sum(self.level_priors) != num_priors:
            raise ConfigError(
                f"candidates_per_level needs the level sizes of the model: level_priors {list(self.level_priors)} are "
                f"{sum(self.level_priors)} priors, not {num_priors}"
            )

    @property
    def output_count(self) -> int:
        """D: rows of the outputs. The official cross-class result is cut at `top_k`, not at `max_detections`."""
        return self.top_k if self.cross_class else self.max_detections

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PostprocessConfig:
        """The inverse of `to_dict`; raises ConfigError for unknown fields."""
        return cls(**checked_fields(cls, values))

    @property
    def is_official(self) -> bool:
        """Whether it has no rule that the official code does not have."""
        return not (self.clip_boxes or self.threshold_per_class or self.candidates_per_level)

    def to_dict(self) -> dict[str, Any]:
        """Plain values that `from_dict` reads back; rules of other families only where they are used."""
        values = dataclasses.asdict(self)
        added = ("clip_boxes", "threshold_per_class", "candidates_per_level", "level_priors")
        return {name: value for name, value in values.items() if name not in added or value}
