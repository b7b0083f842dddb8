"""The stored detections are those of the PyTorch reference, and each difference from them is noticed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from yolact_deploy.benchmarks.selftest import stored
from yolact_deploy.benchmarks.selftest.stored import FILE, Picture, Stored

PRECISE = 1e-3  # rounding in the file, and in another CPU's float32


def test_the_file_holds_what_the_reference_finds() -> None:
    values, made = json.loads(FILE.read_text()), stored.make()
    assert values.keys() == made.keys()
    assert values["checkpoint_sha256"] == made["checkpoint_sha256"]
    assert values["pictures"].keys() == made["pictures"].keys()
    assert len(made["pictures"]) == 64
    np.testing.assert_allclose(values["box_ap"], made["box_ap"], atol=1e-4)
    np.testing.assert_allclose(values["mask_ap"], made["mask_ap"], atol=1e-4)
    for key, rows in made["pictures"].items():
        old, new = Picture.of_rows(values["pictures"][key]), Picture.of_rows(rows)
        np.testing.assert_array_equal(old.classes, new.classes)
        np.testing.assert_allclose(old.scores, new.scores, atol=PRECISE)
        np.testing.assert_allclose(old.exact_boxes, new.exact_boxes, atol=0.05)
        np.testing.assert_allclose(old.areas, new.areas, rtol=PRECISE, atol=1)


def test_the_same_detections_agree() -> None:
    file = Stored.read()
    parity, agreement = file.compare(file.pictures, (file.box_ap, file.mask_ap + 0.002))
    assert (parity.matches.matched, agreement) == (parity.matches.total, 1.0)
    assert parity.matches.total > 1000
    assert parity.box_difference == 0
    assert parity.mask_difference == pytest.approx(0.2)
    assert file.compare(file.pictures, None)[0].box_difference is None


def test_what_is_missing_moved_or_of_another_class_does_not_match() -> None:
    file = Stored.read()
    key, picture = next(iter(file.pictures.items()))
    total = file.compare({key: picture}, None)[0].matches.total
    for changed in (
        replace(picture, classes=picture.classes + 1),
        replace(picture, exact_boxes=picture.exact_boxes * 1.2),
        Picture.of_rows([]),
    ):
        matches = file.compare({key: changed}, None)[0].matches
        assert matches.total > 0
        assert matches.matched < total
    _, agreement = file.compare({key: replace(picture, areas=picture.areas // 2)}, None)
    assert agreement == pytest.approx(0.5, abs=0.01)
