"""Detections drawn onto a picture: masks tinted, boxes and labels in one colour a class or an instance."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from .config.class_names import class_name
from .formats.window import MaskWindow, window_of
from .images import as_image
from .types import Detections, Image, WindowedDetections

Colour = tuple[int, int, int]  # BGR

# First Okabe and Ito's palette without its black, told apart with every common kind of colour blindness. Then those of
# the sRGB grid with step 15 (CIE lightness 30 to 92, chroma from 20) that are, one after the other, farthest from all
# before them: the smallest CIE76 distance, seen normally and with each full deficiency as Machado et al. 2009 simulate
# it. None comes closer to another, in any of the four, than two of Okabe and Ito's do.
PALETTE: tuple[Colour, ...] = (
    (0, 159, 230),  # orange
    (233, 180, 86),  # sky blue
    (115, 158, 0),  # bluish green
    (167, 121, 204),  # reddish purple
    (66, 228, 240),  # yellow
    (178, 114, 0),  # blue
    (0, 94, 213),  # vermillion
    (240, 0, 135),  # violet
    (195, 240, 195),  # pale green
    (30, 60, 105),  # brown
    (135, 255, 105),  # light green
    (255, 120, 150),  # lavender
    (105, 0, 150),  # plum
    (90, 0, 255),  # crimson
    (180, 60, 75),  # indigo
    (210, 180, 255),  # pink
    (135, 195, 135),  # sage
    (75, 165, 195),  # sand
)
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
MASK_OPACITY = 0.45
COLOUR_BY = ("class", "instance")
_SMOOTH_BELOW = 3  # px: thinner outlines need anti-aliasing, and on small pictures it costs little
_SMALL_BOX = 3  # heights of its label
_FAR = 1 << 20  # px: where boxes that reach farther end, since OpenCV knows no larger numbers
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 22  # px of a capital at scale 1


@dataclass(frozen=True)
class _Pen:
    """Sizes that suit a picture, px."""

    line: int
    text_scale: float
    text_line: int
    padding: int

    @classmethod
    def for_size(cls, height: int, width: int) -> _Pen:
        side = min(height, width)
        text_height = min(max(side / 45, 8), 120)
        line = max(1, round(side / 350))
        scale = text_height / _FONT_HEIGHT
        return cls(line, scale, max(1, round(scale * 1.6)), max(2, round(text_height / 3)))


def class_colour(index: int) -> Colour:
    """The colour of a class; the palette repeats."""
    return PALETTE[index % len(PALETTE)]


def detection_colours(detections: Detections | WindowedDetections, color_by: str) -> tuple[Colour, ...]:
    """The colour of each detection: by its class, or by its place among the detections of the image.

    Raises ValueError for anything but COLOUR_BY.
    """
    if color_by not in COLOUR_BY:
        raise ValueError(f"color_by {color_by!r}: use one of {', '.join(COLOUR_BY)}")
    keys = detections.classes.tolist() if color_by == "class" else range(len(detections))
    return tuple(class_colour(key) for key in keys)


def draw_detections(
    image: Any,
    detections: Detections | WindowedDetections,
    class_names: Sequence[str] | None = None,
    color_by: str = "class",
) -> Image:
    """A copy of `image` with `detections` of that image drawn onto it, the best on top: uint8 [H,W,3] BGR.

    image: uint8 [H,W,3] BGR, the path of a picture, or a PIL image. class_names: None for those that `detections` have.
    color_by: one of COLOUR_BY. Raises ImageError for another kind of image, ValueError when the masks have another
    size than the image.
    """
    canvas = as_image(image).copy()
    if class_names is None:
        class_names = getattr(detections, "class_names", ())
    height, width = canvas.shape[:2]
    if (detections.height, detections.width) != (height, width):
        raise ValueError(f"masks of {detections.width}x{detections.height} px on an image of {width}x{height} px")
    pen = _Pen.for_size(height, width)
    colours = detection_colours(detections, color_by)
    worst_first = range(len(detections) - 1, -1, -1)
    for index in worst_first:
        mask = detections.masks[index]
        _draw_mask(canvas, mask if isinstance(mask, MaskWindow) else window_of(mask), colours[index], pen)
    labels = _labels(canvas.shape[:2], detections, class_names, pen)
    for index in worst_first:
        x1, y1, x2, y2 = detections.boxes[index].clip(-_FAR, _FAR).tolist()
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colours[index], pen.line)
    for index in worst_first:
        _draw_label(canvas, labels[index], colours[index], pen)
    return canvas


@dataclass(frozen=True)
class _Label:
    """Text on a filled strip, px."""

    text: str
    left: int
    top: int
    width: int
    height: int


def _labels(
    size: tuple[int, int], detections: Detections | WindowedDetections, class_names: Sequence[str], pen: _Pen
) -> list[_Label]:
    """A label for each detection, placed best first: where it hides none that is placed already, if there is room."""
    labels: list[_Label] = []
    for index in range(len(detections)):
        class_index = int(detections.classes[index])
        name = drawable(class_name(class_names, class_index)) or f"class {class_index}"
        text = f"{name} {detections.scores[index]:.2f}"
        (text_width, text_height), _baseline = cv2.getTextSize(text, _FONT, pen.text_scale, pen.text_line)
        strip = (text_width + 2 * pen.padding, text_height + 2 * pen.padding)
        taken = [(label.left, label.top, label.width, label.height) for label in labels]
        labels.append(_Label(text, *label_corner(strip, detections.boxes[index].tolist(), size, taken), *strip))
    return labels


def label_corner(
    strip: tuple[int, int], box: Sequence[int], size: tuple[int, int], taken: Sequence[tuple[int, int, int, int]]
) -> tuple[int, int]:
    """Left and top of a strip (width, height) for the label of `box` in an image of `size` (height, width).

    Above the box's upper left corner if it fits there without hiding one of `taken` (left, top, width, height); else
    at another corner, outside or inside; else where it fits, on top of another.
    """
    width, height = strip
    x1, y1, x2, y2 = box
    inside, below = (y1, y2 - height), (y2,)
    is_small = y2 - y1 < _SMALL_BOX * height  # a label inside would hide what is in it
    spots: list[tuple[bool, int, tuple[int, int]]] = []
    for y in (y1 - height, *(below + inside if is_small else inside + below)):
        for x in (x1, x2 - width):
            spot = max(0, min(x, size[1] - width)), max(0, min(y, size[0] - height))
            is_at_box = spot[1] == y
            if is_at_box and not any(_overlap((*spot, *strip), other) for other in taken):
                return spot
            spots.append((not is_at_box, len(spots), spot))
    return min(spots)[-1]


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    """Whether two rectangles (left, top, width, height) share a pixel."""
    return all(one[axis] < other[axis] + other[axis + 2] and other[axis] < one[axis] + one[axis + 2] for axis in (0, 1))


def drawable(text: str) -> str:
    """`text` in the ASCII that OpenCV can draw: accents fall off, what has no letter left becomes empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return "".join(letter for letter in plain if letter.isprintable()).strip()


def _draw_mask(canvas: Image, mask: MaskWindow, colour: Colour, pen: _Pen) -> None:
    """Tint `canvas` where `mask` is set and trace its border, in place; only the mask's own window is touched."""
    part, inside = canvas[mask.rows, mask.columns], mask.inside.view(np.uint8)
    if part.size == 0:
        return
    # One pass over the pixels: (1 - opacity) * pixel + opacity * colour, as an affine map of the three channels.
    blend = np.hstack((np.eye(3) * (1 - MASK_OPACITY), MASK_OPACITY * np.reshape(colour, (3, 1))))
    cv2.copyTo(cv2.transform(part, blend), inside, part)
    outlines, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    line_type = cv2.LINE_AA if pen.line < _SMOOTH_BELOW else cv2.LINE_8
    offset = (mask.columns.start, mask.rows.start)
    cv2.drawContours(canvas, outlines, -1, colour, pen.line, line_type, offset=offset)


def _draw_label(canvas: Image, label: _Label, colour: Colour, pen: _Pen) -> None:
    """A filled strip with the text, in place."""
    end = (label.left + label.width - 1, label.top + label.height - 1)
    cv2.rectangle(canvas, (label.left, label.top), end, colour, cv2.FILLED)
    origin = (label.left + pen.padding, label.top + label.height - pen.padding)
    cv2.putText(canvas, label.text, origin, _FONT, pen.text_scale, text_colour(colour), pen.text_line, cv2.LINE_AA)


def text_colour(background: Colour) -> Colour:
    """Black or white, whichever contrasts more with `background` (WCAG 2.1, relative luminance)."""
    channels = np.asarray(background[::-1], np.float64) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    return BLACK if (luminance + 0.05) ** 2 > 1.05 * 0.05 else WHITE
