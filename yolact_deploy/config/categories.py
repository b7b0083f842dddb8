"""Which category of a data set each class of a model is: the one place that matches them by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..errors import DataError, listed
from .model import ModelConfig


@dataclass(frozen=True)
class Category:
    """A category of a data set in COCO's format."""

    id: int
    name: str


@dataclass(frozen=True)
class CategoryMatch:
    """How class indices become category ids."""

    category_ids: tuple[int | None, ...]  # one per class of the model; None: the data set does not have it
    unknown: tuple[Category, ...]  # categories that the model does not have
    is_by_order: bool = False  # the classes are only numbered: taken in the order of the category ids


def match_categories(
    config: ModelConfig, categories: Sequence[Category], used: Collection[int] | None = None
) -> CategoryMatch:
    """Find each category among the classes of `config`: by name, without regard to case and spaces; or, when the
    classes are only numbered and there are as many, in the order of the category ids.

    used: ids of the categories that have objects, None for all; those decide where two have the same name, or where
    there is one too many for numbered classes. Raises DataError when the model has none of the used categories, when
    numbered classes do not fit, and for names that cannot be told apart.
    """
    wanted = [item for item in categories if used is None or item.id in used]
    names = [simplified(name) for name in config.class_names]
    if config.has_generic_names and any(simplified(item.name) not in names for item in wanted):
        return _by_order(config, categories if len(categories) == config.num_classes else wanted)
    if wanted and all(simplified(item.name) not in names for item in wanted):
        raise DataError(
            f"the model has none of the data set's categories ({listed([item.name for item in wanted])}); its classes "
            f"are {listed(config.class_names)}: rename them or pass --class-names"
        )
    if len(set(names)) < len(names):
        raise DataError("two classes of the model have the same name: names must differ by more than case and spaces")
    by_name: dict[str, int] = {}
    for item in (*wanted, *(item for item in categories if item not in wanted)):  # those with objects come first
        if by_name.setdefault(simplified(item.name), item.id) != item.id and item in wanted:
            raise DataError(
                f"two categories of the data set have the same name ({item.name}): names must differ by more than case "
                "and spaces"
            )
    found = tuple(by_name.get(name) for name in names)
    return CategoryMatch(found, tuple(item for item in categories if item.id not in found))


def _by_order(config: ModelConfig, categories: Sequence[Category]) -> CategoryMatch:
    if len(categories) != config.num_classes:
        raise DataError(
            f"the model has {config.num_classes} classes without names, the data set {len(categories)} categories "
            f"({listed([category.name for category in categories])}): pass --class-names"
        )
    return CategoryMatch(tuple(sorted(category.id for category in categories)), (), is_by_order=True)


def simplified(name: str) -> str:
    """A name without regard to case and spaces."""
    return " ".join(name.casefold().split())
