"""Thresholds of classes: how they are read, and which of them holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yolact_deploy.config.thresholds import class_thresholds, given_thresholds, lowest_scores
from yolact_deploy.errors import ConfigError
from yolact_deploy.types import NetworkDetections

NAMES = ("bolt", "nut", "Washer", "a=b", "washer")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "thresholds.json"
    path.write_text('{"bolt": 0.43, "nut": 1}')
    return path


def test_files_and_texts_are_read(file: Path) -> None:
    assert given_thresholds(None) == {}
    assert given_thresholds(str(file)) == given_thresholds(file) == {"bolt": 0.43, "nut": 1.0}
    assert given_thresholds([str(file), "a=b=0.5", " Washer = 5e-1 "]) == {
        "bolt": 0.43, "nut": 1.0, "a=b": 0.5, "Washer": 0.5,
    }  # fmt: skip
    assert given_thresholds({"bolt": np.float32(0.5)}) == {"bolt": 0.5}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("bolt=30", "30"),
        ("bolt=nan", "nan"),
        ("bolt=-1", "-1"),
        ("bolt=", "''"),
        ("bolt=inf", "inf"),
        ("bolt=high", "'high'"),
        ("0.5", "neither a file nor NAME=SCORE"),
        ("missing.json", "no such file"),
        (["bolt=0.4", "bolt=0.4"], "'bolt' twice"),
        ([0.5], "by class name"),
        (0.5, "by class name"),
        ({"bolt": True}, "True"),
        ({"bolt": "0.4"}, "'0.4'"),
        ({"bolt": float("nan")}, "nan"),
    ],
)
def test_what_is_no_threshold(given: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        given_thresholds(given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"bolt": 0.4, "bolt": 0.5}', "'bolt' twice"),
        ('{"bolt": NaN}', "NaN"),
        ('{"bolt": 1e999}', "infinite"),
        ('{"bolt": null}', "None"),
        ('{"bolt": true}', "True"),
        ('{"bolt": [0.4]}', "[0.4]"),
        ('{"thresholds": {"bolt": 0.4}}', "'thresholds'"),
        ('[["bolt", 0.4]]', "not a JSON object"),
        ("0.4", "not a JSON object"),
        ("bolt: 0.4", "not valid JSON"),
        ("", "not valid JSON"),
        ("[" * 100_000, "nested"),
    ],
)
def test_files_that_hold_something_else(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        given_thresholds(file)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_classes_are_found_by_name() -> None:
    assert class_thresholds({}, NAMES) == ()
    assert class_thresholds({"BOLT": 0.4, "washer": 0.2}, NAMES) == (0.4, None, None, None, 0.2)
    assert class_thresholds({"bolt": 0.4}, ("bolt", "nut", "bolt")) == (0.4, None, 0.4)
    for given, words in (
        ({"bolts": 0.4}, "such as bolt"),
        ({"WASHER": 0.4}, "no class 'WASHER'"),  # which of the two?
        ({"bolt": 0.4, "Bolt": 0.5}, "'bolt' twice"),
        ({"bolt": 2}, "2"),
        ({3: 0.4}, "no class 3"),
    ):
        with pytest.raises(ConfigError, match=words):
            class_thresholds(given, NAMES)


def test_which_threshold_holds() -> None:
    assert lowest_scores((), (), 0.2, 0.3) == 0.3
    own, given = (0.1, 0.6, None, 0.9), (None, None, None, 0.05)
    #                    the file's, not below 0.2   the default      what was given, alone
    np.testing.assert_allclose(lowest_scores(own, given, 0.2, 0.3), [0.2, 0.6, 0.3, 0.05])
    np.testing.assert_allclose(lowest_scores((), given, 0.2), [0.2, 0.2, 0.2, 0.05])
    np.testing.assert_allclose(lowest_scores(own, (), 0.0, 0.3), [0.1, 0.6, 0.3, 0.9])


def test_a_threshold_that_is_a_score_keeps_its_detection() -> None:
    """0.7 as float32 is a little less than 0.7: `bench` writes scores, and they come back from JSON as 0.7."""
    scores = np.array([0.9, 0.7, 0.69999], np.float32)
    assert float(scores[1]) < 0.7
    zeros = np.zeros(3, np.int64)
    found = NetworkDetections(np.zeros((3, 4), np.float32), scores, zeros, np.zeros((3, 2, 2), np.float32), scores)
    for lowest in (0.7, np.array([0.7], np.float32), np.array([0.7])):
        assert len(found.above(lowest)) == 2


def test_each_class_has_its_own() -> None:
    """Against a loop over the detections."""
    rng = np.random.default_rng(5)
    lowest = rng.random(4).astype(np.float32)
    scores = np.sort(rng.random(200).astype(np.float32))[::-1]
    classes = rng.integers(0, 4, 200)
    found = NetworkDetections(
        np.zeros((200, 4), np.float32), scores, classes, np.zeros((200, 1, 1), np.float32), scores
    )
    kept = [index for index in range(200) if scores[index] >= lowest[classes[index]]]
    np.testing.assert_array_equal(found.above(lowest).scores, scores[kept])
    np.testing.assert_array_equal(found.above(lowest).classes, classes[kept])
