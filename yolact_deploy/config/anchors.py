"""Anchor shapes by FPN level."""

from __future__ import annotations

from ..errors import ConfigError

MAX_SCALE = 100_000  # px
MAX_LEVELS = 8  # of the FPN
MAX_PRIORS = 4_000_000  # far beyond what anybody trains

Ratios = tuple[float, ...]


def ratios_by_level(aspect_ratios: Ratios | tuple[Ratios, ...], levels: int) -> tuple[Ratios, ...]:
    """The aspect ratios of each level; numbers alone are those of every level. Raises ConfigError for a mixture, or
    another number of levels."""
    lists = tuple(item for item in aspect_ratios if isinstance(item, tuple))
    if not lists:
        return (tuple(item for item in aspect_ratios if not isinstance(item, tuple)),) * levels
    if len(lists) != len(aspect_ratios) or len(lists) != levels:
        raise ConfigError(f"aspect_ratios: numbers for all levels, or one list of them for each of the {levels} levels")
    return lists


def check_anchors(
    scales: tuple[tuple[float, ...], ...], aspect_ratios: Ratios | tuple[Ratios, ...], is_shared: bool
) -> None:
    """Raises ConfigError for anchors that a network cannot have; `is_shared`: one head serves every level."""
    if not 3 <= len(scales) <= MAX_LEVELS or not all(scales):
        raise ConfigError(f"scales: one list of anchor sizes for each FPN level, 3 to {MAX_LEVELS} levels")
    ratios = ratios_by_level(aspect_ratios, len(scales))
    if not all(0 < value <= MAX_SCALE for values in (*scales, *ratios) for value in values) or not all(ratios):
        raise ConfigError(f"scales and aspect_ratios: above 0, up to {MAX_SCALE}")
    for name, levels in (("scales", scales), ("aspect_ratios", ratios)):
        if is_shared and len({len(level) for level in levels}) != 1:
            raise ConfigError(
                f"{name}: every level needs the same number, because the head is shared (share_prediction_module)"
            )


def anchors_by_level(scales: tuple[tuple[float, ...], ...], ratios: tuple[Ratios, ...]) -> tuple[int, ...]:
    """How many anchors each position of each level has."""
    return tuple(len(sizes) * len(shapes) for sizes, shapes in zip(scales, ratios, strict=True))


def without_needless_lists(aspect_ratios: object) -> object:
    """Aspect ratios as people write them, in their plainest form: the official `pred_aspect_ratios` have one more list
    per level, and the same list for every level is one of numbers."""
    if isinstance(aspect_ratios, list | tuple) and all(isinstance(item, list | tuple) for item in aspect_ratios):
        levels = [list(item) for item in aspect_ratios]
        if all(len(level) == 1 and isinstance(level[0], list | tuple) for level in levels):
            levels = [list(level[0]) for level in levels]
        if levels and all(level == levels[0] for level in levels):
            return levels[0]
        return levels
    return aspect_ratios
