"""Drawing: the right pixels change, at every size, for every class name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from yolact_deploy.draw import (
    BLACK,
    PALETTE,
    WHITE,
    Colour,
    class_colour,
    detection_colours,
    draw_detections,
    drawable,
    label_corner,
    text_colour,
)
from yolact_deploy.errors import ImageError
from yolact_deploy.formats.window import window_of
from yolact_deploy.types import Detections, WindowedDetections


def detections(height: int, width: int, boxes: list[list[int]], classes: list[int] | None = None) -> Detections:
    """Masks that fill their boxes."""
    masks = np.zeros((len(boxes), height, width), np.bool_)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = True
    scores = np.linspace(0.9, 0.5, len(boxes), dtype=np.float32)
    indices = np.array(classes if classes is not None else [0] * len(boxes), np.int64)
    return Detections(np.array(boxes, np.int64).reshape(-1, 4), scores, scores, indices, masks)


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def test_nothing_found_leaves_an_equal_copy() -> None:
    image = grey(20, 30)
    drawn = draw_detections(image, Detections.empty(20, 30), ())
    np.testing.assert_array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


def test_the_original_stays_and_far_pixels_stay() -> None:
    image = grey(400, 400)
    drawn = draw_detections(image, detections(400, 400, [[100, 100, 200, 200]]), ("cat",))
    assert (image == 128).all()
    assert (drawn[220:] == 128).all()
    assert (drawn[:, 220:] == 128).all()
    assert drawn.dtype == np.uint8


def test_a_mask_is_tinted_towards_the_colour_of_its_class() -> None:
    for index in range(len(PALETTE)):
        drawn = draw_detections(grey(400, 400), detections(400, 400, [[100, 100, 300, 300]], [index]), ("x",) * 99)
        shift = drawn[200, 200].astype(int) - 128
        towards = np.array(class_colour(index)) - 128
        assert (np.sign(shift) == np.sign(towards)).all()
        assert np.abs(shift).max() > 20


def lab(linear: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of linear RGB [N,3] within the gamut."""
    to_xyz = np.array([[0.41239, 0.35758, 0.18048], [0.21264, 0.71517, 0.07219], [0.01933, 0.11919, 0.95053]])
    ratios = np.clip(linear, 0, 1) @ to_xyz.T / to_xyz.sum(axis=1)
    x, y, z = np.where(ratios > 0.008856, np.cbrt(ratios), ratios * 7.787 + 16 / 116).T
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=1)


def seen_without_cones(linear: np.ndarray, kind: str) -> np.ndarray:
    """Linear RGB [N,3] as protanopes, deuteranopes (Vienot et al. 1999), tritanopes (Brettel et al. 1997) see it."""
    if kind == "tritan":
        one = np.array([[1.01277, 0.13548, -0.14826], [-0.01243, 0.86812, 0.14431], [0.07589, 0.80500, 0.11911]])
        other = np.array([[0.93678, 0.18979, -0.12657], [0.06154, 0.81526, 0.12320], [-0.37562, 1.12767, 0.24796]])
        is_one = linear @ (0.03901, -0.02788, -0.01113) >= 0
        return np.where(is_one[:, None], linear @ one.T, linear @ other.T)
    to_lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    long, medium, short = (linear @ to_lms.T).T
    if kind == "protan":
        long = 2.02344 * medium - 2.52581 * short
    elif kind == "deutan":
        medium = 0.494207 * long + 1.24827 * short
    return np.stack((long, medium, short), axis=1) @ np.linalg.inv(to_lms).T


def smallest_distance(colours: Sequence[Colour], kind: str) -> float:
    """Between any two of `colours`, CIE76."""
    channels = np.array(colours)[:, ::-1] / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    points = lab(seen_without_cones(linear, kind))
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    return float(distances[~np.eye(len(colours), dtype=bool)].min())


@pytest.mark.parametrize(("kind", "least"), [("normal", 20), ("protan", 15), ("deutan", 15), ("tritan", 10)])
def test_colours_differ_for_the_colour_blind(kind: str, least: float) -> None:
    assert len(PALETTE) >= 16
    assert smallest_distance(PALETTE, kind) >= least
    okabe_and_ito = min(smallest_distance(PALETTE[:7], view) for view in ("normal", "protan", "deutan", "tritan"))
    assert smallest_distance(PALETTE, kind) >= okabe_and_ito
    assert smallest_distance([*PALETTE, (0, 150, 225)], kind) < least  # a second orange would be found


def test_only_the_mask_is_tinted_and_by_its_opacity() -> None:
    found = detections(400, 400, [[100, 100, 300, 300]])
    found.masks[0] = False
    found.masks[0, 150:250, 120:280] = True
    drawn = draw_detections(grey(400, 400), found, ("cat",))
    expected = np.round(0.55 * 128 + 0.45 * np.array(PALETTE[0]))
    np.testing.assert_array_equal(drawn[155:245, 125:275], np.broadcast_to(expected, (90, 150, 3)))
    assert (drawn[260:290, 110:290] == 128).all()  # inside the box, outside the mask


def test_windows_are_drawn_as_whole_masks_are() -> None:
    found = detections(200, 300, [[20, 30, 120, 90], [0, 0, 300, 200], [50, 50, 50, 50]], [0, 1, 2])
    windowed = WindowedDetections(
        found.boxes, found.scores, found.scores, found.classes, tuple(map(window_of, found.masks)), 200, 300
    )
    image = np.random.default_rng(0).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    drawn = draw_detections(image, windowed, ("cat",), "instance")
    np.testing.assert_array_equal(drawn, draw_detections(image, found, ("cat",), "instance"))


def test_colours_of_instances_differ_where_their_class_is_one() -> None:
    found = detections(50, 60, [[0, 0, 9, 9]] * 3, [4, 4, 4])
    assert detection_colours(found, "class") == (PALETTE[4],) * 3
    assert detection_colours(found, "instance") == PALETTE[:3]
    with pytest.raises(ValueError, match="class, instance"):
        detection_colours(found, "score")


def test_labels_make_way_for_each_other() -> None:
    strip, size, box = (60, 15), (200, 300), (50, 80, 250, 150)
    taken: list[tuple[int, int, int, int]] = []
    for _ in range(8):
        taken.append((*label_corner(strip, box, size, taken), *strip))
    assert taken[0] == (50, 65, 60, 15)  # above the upper left corner
    covered = np.zeros(size, int)
    for left, top, width, height in taken:
        covered[top : top + height, left : left + width] += 1
    assert covered.max() == 1
    assert covered.sum() == 8 * 60 * 15  # all inside the image
    assert label_corner(strip, box, size, taken) == (50, 65)  # no room is left


@pytest.mark.parametrize(
    ("box", "corner"),
    [
        ((50, 5, 90, 60), (50, 5)),  # no room above: inside
        ((50, 5, 90, 30), (50, 30)),  # of a small box, below
        ((-40, 80, 20, 99), (0, 65)),
        ((290, 80, 400, 99), (240, 65)),
        ((0, -900, 300, -800), (0, 0)),
        ((0, 900, 300, 990), (0, 185)),
    ],
)
def test_labels_stay_in_the_image(box: tuple[int, int, int, int], corner: tuple[int, int]) -> None:
    assert label_corner((60, 15), box, (200, 300), []) == corner


def test_the_better_detection_is_on_top() -> None:
    both = detections(400, 400, [[100, 100, 300, 300], [100, 100, 300, 300]], [0, 5])
    alone = detections(400, 400, [[100, 100, 300, 300]], [0])
    names = ("a",) * 6
    # The border is opaque: what is seen there is the better one's.
    np.testing.assert_array_equal(
        draw_detections(grey(400, 400), both, names)[300, 150:250],
        draw_detections(grey(400, 400), alone, names)[300, 150:250],
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 3), (2000, 3000)])
def test_every_size(size: tuple[int, int]) -> None:
    height, width = size
    found = detections(height, width, [[0, 0, width, height], [width // 2, height // 2, width, height]], [0, 1])
    drawn = draw_detections(grey(height, width), found, ("a long name of a class", "b"))
    assert drawn.shape == (height, width, 3)
    assert (drawn != 128).any()


def test_boxes_outside_the_image_and_empty_masks() -> None:
    found = detections(50, 60, [[-500, -500, -400, -400], [1000, 1000, 2000, 2000], [30, 30, 30, 30]])
    assert draw_detections(grey(50, 60), found, ("a",)).shape == (50, 60, 3)


def test_a_box_of_any_size_is_drawn() -> None:
    """Box regressions that ran away: OpenCV refuses numbers of more than 32 bits."""
    far = 2**62
    drawn = draw_detections(grey(50, 60), detections(50, 60, [[30, -far, far, 40], [far, far, -far, -far]]), ("a",))
    near = draw_detections(grey(50, 60), detections(50, 60, [[30, -99, 99, 40], [99, 99, -99, -99]]), ("a",))
    np.testing.assert_array_equal(drawn, near)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("star", "star"), ("größe", "groe"), ("café", "cafe"), ("猫", ""), ("a\nb", "ab"), ("  ", ""), ("🐈 cat", "cat")],
)
def test_names_that_opencv_cannot_draw(name: str, expected: str) -> None:
    assert drawable(name) == expected


def test_a_name_without_letters_falls_back_to_the_class_index() -> None:
    found = detections(200, 300, [[50, 100, 200, 180]])
    np.testing.assert_array_equal(
        draw_detections(grey(200, 300), found, ("猫",)), draw_detections(grey(200, 300), found, ("class 0",))
    )
    np.testing.assert_array_equal(
        draw_detections(grey(200, 300), found, ()), draw_detections(grey(200, 300), found, ("class 0",))
    )


def test_text_contrasts_with_its_background() -> None:
    assert text_colour(BLACK) == WHITE
    assert text_colour(WHITE) == BLACK
    assert text_colour((66, 228, 240)) == BLACK  # yellow
    assert text_colour((100, 0, 0)) == WHITE  # dark blue


def test_masks_of_another_size_and_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="30x20"):
        draw_detections(grey(50, 60), Detections.empty(20, 30), ())
    with pytest.raises(ImageError):
        draw_detections(grey(20, 30).astype(np.float32), Detections.empty(20, 30), ())
