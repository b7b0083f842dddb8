"""Which category of a data set each class of a model is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yolact_deploy.benchmarks.accuracy.instances import Category
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import DataError

_NAMES_SHOWN = 5


@dataclass(frozen=True)
class ClassMapping:
    """How class indices become category ids."""

    category_ids: tuple[int | None, ...]  # one a class of the model; None: the data set does not have it
    notes: tuple[str, ...]  # what was assumed or left out, for people to read


def map_classes(config: ModelConfig, categories: Sequence[Category]) -> ClassMapping:
    """Find each category among the classes of `config`: by name, or, when the classes are only numbered and there are
    as many, in the order of the category ids.

    Classes that the data set does not have are not evaluated. Raises DataError, naming them, for categories that the
    model does not know.
    """
    names = [_simplified(name) for name in config.class_names]
    by_name = {_simplified(category.name): category.id for category in categories}
    unknown = [category.name for category in categories if _simplified(category.name) not in names]
    if unknown and config.has_generic_names:
        return _map_by_order(config, categories)
    if unknown:
        raise DataError(
            f"the data set has {len(unknown)} of {len(categories)} categories that the model does not know: "
            f"{_listed(unknown)}; the model's classes are {_listed(config.class_names)}: name the classes alike"
        )
    for whose, found in (("classes of the model", names), ("categories of the data set", list(by_name))):
        expected = config.num_classes if found is names else len(categories)
        if len(set(found)) < expected:
            raise DataError(f"two {whose} have the same name: names must differ by more than case and spaces")
    category_ids = tuple(by_name.get(name) for name in names)
    missing = [name for name, found in zip(config.class_names, category_ids, strict=True) if found is None]
    notes: tuple[str, ...] = ()
    if missing:
        notes = (
            f"{len(missing)} of the model's {config.num_classes} classes are not in the data set and not evaluated: "
            f"{_listed(missing)}",
        )
    return ClassMapping(category_ids, notes)


def class_titles(config: ModelConfig, mapping: ClassMapping, categories: Sequence[Category]) -> tuple[str, ...]:
    """What to call each class of a model: as the data set does, else as the model does."""
    by_id = {category.id: category.name for category in categories}
    pairs = zip(mapping.category_ids, config.class_names, strict=True)
    return tuple(name if number is None else by_id[number] for number, name in pairs)


def _map_by_order(config: ModelConfig, categories: Sequence[Category]) -> ClassMapping:
    if len(categories) != config.num_classes:
        raise DataError(
            f"the model has {config.num_classes} classes without names, the data set {len(categories)} categories "
            f"({_listed([category.name for category in categories])}): pass the model's class names"
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
