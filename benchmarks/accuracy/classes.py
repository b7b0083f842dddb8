"""Which category of a data set each class of a model is, and what to say of those that only one of the two has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from yolact_deploy.config.categories import Category, match_categories
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import DataError, listed


@dataclass(frozen=True)
class ClassMapping:
    """How class indices become category ids."""

    category_ids: tuple[int | None, ...]  # one per class of the model; None: the data set does not have it
    notes: tuple[str, ...]  # what was assumed or left out, for people to read


def map_classes(
    config: ModelConfig,
    categories: Sequence[Category],
    object_counts: Mapping[int, int] | None = None,
    strict: bool = False,
) -> ClassMapping:
    """`match_categories`, with notes about what is not evaluated: classes that the data set lacks, categories that the
    model lacks.

    object_counts: objects per category id; None: every category has some. strict: raise DataError, naming them, for
    categories with objects that the model lacks.
    """
    used = None if object_counts is None else {number for number, count in object_counts.items() if count}
    match = match_categories(config, categories, used)
    if match.is_by_order:
        names = {category.id: category.name for category in categories}
        ordered = listed([names[number] for number in match.category_ids if number is not None])
        return ClassMapping(
            match.category_ids,
            (f"the model's classes have no names: taken as the data set's categories in the order of ids ({ordered})",),
        )
    missing = [name for name, found in zip(config.class_names, match.category_ids, strict=True) if found is None]
    empty = [item.name for item in match.unknown if used is not None and item.id not in used]
    unknown = [item for item in match.unknown if used is None or item.id in used]
    if unknown and strict:
        raise DataError(
            f"unknown categories in the data set: {listed([item.name for item in unknown])} (the model has "
            f"{listed(config.class_names)}): rename them, pass --class-names, or leave out --strict"
        )
    notes = []
    if unknown:
        objects = sum((object_counts or {}).get(item.id, 0) for item in unknown)
        what = f"{len(unknown)} of the data set's {len(categories)} categories"
        notes.append(
            f"{what} are not among the model's classes; their {objects} objects are left out: "
            f"{listed([item.name for item in unknown])}"
        )
    if missing:
        notes.append(
            f"{len(missing)} of the model's {config.num_classes} classes are not in the data set and not evaluated: "
            f"{listed(missing)}"
        )
    if empty:
        notes.append(f"categories without objects that the model does not know are left out: {listed(empty)}")
    return ClassMapping(match.category_ids, tuple(notes))


def class_titles(config: ModelConfig, mapping: ClassMapping, categories: Sequence[Category]) -> tuple[str, ...]:
    """What to call each class of a model: as the data set does, else as the model does."""
    by_id = {category.id: category.name for category in categories}
    pairs = zip(mapping.category_ids, config.class_names, strict=True)
    return tuple(name if number is None else by_id[number] for number, name in pairs)
