"""Model classes against categories of a data set."""

from __future__ import annotations

import pytest

from yolact_deploy.benchmarks.accuracy.classes import ClassMapping, class_titles, map_classes
from yolact_deploy.config.categories import Category
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import DataError

ANIMALS = ModelConfig(class_names=("dog", "cat", "hot dog"))
NUMBERED = ModelConfig().with_num_classes(2)


def categories(**ids: int) -> list[Category]:
    return [Category(number, name.replace("_", " ")) for name, number in ids.items()]


def test_names_decide_whatever_the_ids() -> None:
    mapping = map_classes(ANIMALS, categories(hot_dog=1, cat=5, dog=9))
    assert mapping.category_ids == (9, 5, 1)
    assert mapping.notes == ()


def test_case_and_spaces_do_not_matter() -> None:
    mapping = map_classes(ANIMALS, [Category(4, " Hot  Dog"), Category(1, "CAT"), Category(2, "Dog")])
    assert mapping.category_ids == (2, 1, 4)


def test_classes_without_a_category_are_left_out_and_named() -> None:
    mapping = map_classes(ANIMALS, categories(cat=5))
    assert mapping.category_ids == (None, 5, None)
    assert mapping.notes == ("2 of the model's 3 classes are not in the data set and not evaluated: dog, hot dog",)


def test_unknown_categories_are_left_out_and_named() -> None:
    mapping = map_classes(ANIMALS, categories(dog=1, horse=2, cow=3), {1: 5, 2: 4, 3: 3})
    assert mapping.category_ids == (1, None, None)
    assert "2 of the data set's 3 categories" in mapping.notes[0]
    assert "their 7 objects are left out: horse, cow" in mapping.notes[0]


def test_strict_refuses_unknown_categories() -> None:
    message = r"unknown categories in the data set: horse, cow \(the model has dog, cat, hot dog\): .* --class-names"
    with pytest.raises(DataError, match=message):
        map_classes(ANIMALS, categories(dog=1, horse=2, cow=3), strict=True)
    with pytest.raises(DataError, match=r"unknown categories in the data set: horse \("):
        map_classes(ANIMALS, categories(dog=1, horse=2, cow=3), {1: 5, 2: 1}, strict=True)


def test_a_data_set_without_any_known_category_is_refused() -> None:
    with pytest.raises(DataError, match=r"none of the data set's categories \(horse\); its classes are dog, cat, hot"):
        map_classes(ANIMALS, categories(dog=1, horse=2), {2: 1})


def test_categories_without_objects_cannot_block() -> None:
    """Unknown to the model, named like another one, or one too many for numbered classes."""
    mapping = map_classes(ANIMALS, categories(shapes=0, dog=1, cat=2), {1: 5, 2: 1})
    assert mapping.category_ids == (1, 2, None)
    assert "left out: shapes" in mapping.notes[-1]
    twice = map_classes(ANIMALS, [Category(0, "Dog"), Category(1, "dog"), Category(2, "cat")], {1: 5, 2: 1})
    assert twice.category_ids == (1, 2, None)
    assert map_classes(NUMBERED, categories(shapes=0, cat=7, dog=3), {7: 1, 3: 1}).category_ids == (3, 7)
    assert map_classes(NUMBERED, categories(cat=7, dog=3), {7: 1}).category_ids == (3, 7)


def test_a_known_category_without_objects_is_kept() -> None:
    assert map_classes(ANIMALS, categories(dog=1, cat=2), {1: 5}).category_ids == (1, 2, None)


def test_long_lists_are_cut() -> None:
    many = [Category(index, f"thing {index}") for index in range(9)]
    with pytest.raises(DataError, match=r"thing 0, thing 1, thing 2, thing 3, thing 4 and 4 more\)"):
        map_classes(ANIMALS, many)


def test_numbered_classes_follow_the_category_ids_with_a_note() -> None:
    mapping = map_classes(NUMBERED, categories(cat=7, dog=3))
    assert mapping.category_ids == (3, 7)
    assert mapping.notes == (
        "the model's classes have no names: taken as the data set's categories in the order of ids (dog, cat)",
    )


def test_numbered_classes_of_another_count_are_refused() -> None:
    message = r"^the model has 2 classes without names, the data set 1 categories \(cat\): pass --class-names$"
    with pytest.raises(DataError, match=message):
        map_classes(NUMBERED, categories(cat=7))


def test_categories_named_like_numbered_classes_go_by_name() -> None:
    mapping = map_classes(NUMBERED, [Category(1, "class 1"), Category(2, "class 0")])
    assert mapping.category_ids == (2, 1)
    assert mapping.notes == ()


def test_equal_names_are_refused() -> None:
    with pytest.raises(DataError, match="two classes of the model have the same name"):
        map_classes(ModelConfig(class_names=("cat", "Cat")), categories(cat=1))
    with pytest.raises(DataError, match="two categories of the data set have the same name"):
        map_classes(ANIMALS, [Category(1, "cat"), Category(2, "Cat ")])


def test_titles_are_the_data_sets_where_it_has_the_class() -> None:
    config = ModelConfig.named("yolact_nano").with_num_classes(2)
    mapping = ClassMapping((7, None), ())
    assert class_titles(config, mapping, [Category(7, "a disk"), Category(9, "other")]) == (
        "a disk",
        config.class_names[1],
    )
