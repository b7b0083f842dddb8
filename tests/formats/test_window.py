"""The smallest rectangle that holds a mask."""

from __future__ import annotations

import numpy as np

from yolact_deploy.formats.window import mask_window, window_of


def test_the_window_of_a_mask_is_tight() -> None:
    mask = np.zeros((20, 30), np.bool_)
    assert mask[mask_window(mask)].size == 0
    mask[3:9, 5] = mask[4, 7:12] = True
    assert mask_window(mask) == (slice(3, 9), slice(5, 12))


def test_a_window_knows_its_place() -> None:
    mask = np.zeros((5, 6), np.bool_)
    assert window_of(mask, 7, 9).inside.size == 0
    mask[1:3, 4] = True
    window = window_of(mask, 7, 9)
    assert (window.rows, window.columns, window.inside.shape) == (slice(8, 10), slice(13, 14), (2, 1))
