"""Which category of a data set each class of a model is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yolact_deploy.benchmarks.accuracy.instances import Category
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import DataError

_NAMES_SHOWN = 5


@dataclass(frozen=True)
class ClassMapping:
    """How class indices become category ids."""

    category_ids: tuple[int | None, ...]  # one per class of the model; None: the data set does not have it
    notes: tuple[str, ...]  # what was assumed or left out, for people to read


def map_classes(
    config: ModelConfig, categories: Sequence[Category], object_counts: Mapping[int, int] | None = None
) -> ClassMapping:
    """Find each category among the classes of `config`: by name, or, when the classes are only numbered and there are
    as many, in the order of the category ids.

    object_counts: objects per category id; None: every category has some. Classes that the data set does not have are
    not evaluated; categories without objects that the model does not know are left out. Raises DataError, naming
    them, for other categories that the model does not know.
    """
    wanted = [item for item in categories if object_counts is None or object_counts.get(item.id)]
    names = [_simplified(name) for name in config.class_names]
    unknown = [item.name for item in wanted if _simplified(item.name) not in names]
    if unknown and config.has_generic_names:
        return _map_by_order(config, categories if len(categories) == config.num_classes else wanted)
    if unknown:
        raise DataError(
            f"unknown categories in the data set: {_listed(unknown)} (the model has {_listed(config.class_names)}); "
            "rename them or pass --class-names"
        )
    if len(set(names)) < len(names):
        raise DataError("two classes of the model have the same name: names must differ by more than case and spaces")
    by_name: dict[str, int] = {}
    for item in (*wanted, *(item for item in categories if item not in wanted)):  # those with objects come first
        if by_name.setdefault(_simplified(item.name), item.id) != item.id and item in wanted:
            raise DataError(
                f"two categories of the data set have the same name ({item.name}): names must differ by more than case "
                "and spaces"
            )
    category_ids = tuple(by_name.get(name) for name in names)
    missing = [name for name, found in zip(config.class_names, category_ids, strict=True) if found is None]
    empty = [item.name for item in categories if item.id not in category_ids]
    notes = []
    if missing:
        notes.append(
            f"{len(missing)} of the model's {config.num_classes} classes are not in the data set and not evaluated: "
            f"{_listed(missing)}"
        )
    if empty:
        notes.append(f"categories without objects that the model does not know are left out: {_listed(empty)}")
    return ClassMapping(category_ids, tuple(notes))


def class_titles(config: ModelConfig, mapping: ClassMapping, categories: Sequence[Category]) -> tuple[str, ...]:
    """What to call each class of a model: as the data set does, else as the model does."""
    by_id = {category.id: category.name for category in categories}
    pairs = zip(mapping.category_ids, config.class_names, strict=True)
    return tuple(name if number is None else by_id[number] for number, name in pairs)


def _map_by_order(config: ModelConfig, categories: Sequence[Category]) -> ClassMapping:
    if len(categories) != config.num_classes:
        raise DataError(
            f"the model has {config.num_classes} classes without names, the data set {len(categories)} categories "
            f"({_listed([category.name for category in categories])}): pass --class-names"
        )
    ordered = sorted(categories, key=lambda category: category.id)
    note = (
        "the model's classes have no names: taken as the data set's categories in the order of their ids "
        f"({_listed([category.name for category in ordered])})"
    )
    return ClassMapping(tuple(category.id for category in ordered), (note,))


def _simplified(name: str) -> str:
    return " ".join(name.casefold().split())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
