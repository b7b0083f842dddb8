"""Which detections count."""

from __future__ import annotations

import numpy as np
import pytest

from yolact_deploy.errors import ConfigError
from yolact_deploy.inference.selection import Selection, parse_classes
from yolact_deploy.types import NetworkDetections


def test_selection_and_class_names() -> None:
    names = ("person", "traffic light", "3", "cat")
    assert parse_classes("Cat, 0,traffic light", names) == {3, 0, 1}
    assert parse_classes("3", names) == {2}  # a name wins
    for text in ("car", "4", "-1", "", "cat,,person"):
        with pytest.raises(ConfigError, match="indices 0 to 3"):
            parse_classes(text, names)
    with pytest.raises(ConfigError, match="such as cat"):
        parse_classes("cats", names)
    commas = ("screw, long", "screw", "long", "a,b,c")
    assert parse_classes("screw, long", commas) == {0}
    assert parse_classes("a,b,c,Screw,2", commas) == {3, 1, 2}
    with pytest.raises(ConfigError, match="no class 'a'"):
        parse_classes("a,b", commas)
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.1], np.float32)
    found = NetworkDetections(
        np.zeros((5, 4), np.float32), scores, np.array([0, 1, 1, 1, 1]), np.zeros((5, 2, 2), np.float32), scores
    )
    np.testing.assert_array_equal(Selection(0.2, frozenset({1}), 2).of(found).scores, scores[1:3])
    assert len(Selection(0.2, frozenset({1})).of(found)) == 3
    assert len(Selection().of(found)) == 5


def test_an_index_of_five_thousand_digits_is_none() -> None:
    with pytest.raises(ConfigError):
        parse_classes("1" * 5000, ("a", "b"))
