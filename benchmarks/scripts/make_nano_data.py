"""Draws a data set of the same kind as the bundled one, of any size.

The 64 bundled pictures leave a noise of 0.4 points of AP, which is as much as int8 may cost.

    python -m yolact_deploy.benchmarks.scripts.make_nano_data FOLDER [--count 192] [--seed 7]

Scenes of one to eight shapes of six classes, on textured backgrounds; later shapes hide earlier ones, and annotations
are the visible pixels. Picture `index` of a seed is always the same; JPEG bytes depend on OpenCV's release.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from yolact_deploy import console
from yolact_deploy.benchmarks.accuracy.image_results import encode_mask
from yolact_deploy.benchmarks.scripts.arguments import positive
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.files import check_output_path, make_output_folder, write_bytes, write_json

CATEGORIES = {"disk": 1, "square": 2, "triangle": 4, "star": 7, "ring": 9, "cross": 12}
SIZES = ((320, 240), (240, 320), (288, 288), (400, 260), (256, 256), (384, 288), (300, 384), (352, 256))  # px
DEFAULT_COUNT, DEFAULT_SEED = 192, 7
MAX_OBJECTS = 8
MIN_AREA = 70  # px that an object shows, at least
MIN_VISIBLE = 0.4  # of its pixels
MIN_CONTRAST = 110  # sum over the channels, between an object and what it covers
ATTEMPTS = 6  # to find a place, for each object
SUPERSAMPLING = 4
JPEG_QUALITY = 90

Floats = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]


@dataclass
class Scene:
    """A picture while it is drawn."""

    pixels: Floats  # [H,W,3] BGR
    owner: npt.NDArray[np.int64]  # [H,W]: index of the visible object + 1, 0 for background
    classes: list[str] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)  # px before anything hid them


def draw_scene(seed: int, index: int) -> Scene:
    """Picture `index` of `seed`."""
    rng = np.random.default_rng((seed, index))
    width, height = SIZES[rng.integers(len(SIZES))]
    pixels = _texture(rng, height, width, _colour(rng, 30, 225), strength=1.2)
    if rng.random() < 0.5:
        pixels += _blotches(rng, height, width, int(rng.integers(24, 90)), 10)
    scene = Scene(pixels, np.zeros((height, width), np.int64))
    wanted = int(rng.integers(1, MAX_OBJECTS + 1))
    for _ in range(wanted * ATTEMPTS):
        if len(scene.classes) == wanted:
            break
        _place(scene, rng)
    scene.pixels += rng.normal(0, rng.uniform(0.5, 3.5), scene.pixels.shape).astype(np.float32)
    return scene


def _place(scene: Scene, rng: np.random.Generator) -> None:
    """Draw one object, unless it would show too little or hide too much of another."""
    height, width = scene.owner.shape
    small = rng.random() < 0.3
    largest = 0.72 * min(width, height)
    size = rng.uniform(15, 36) if small else np.exp(rng.uniform(np.log(32), np.log(largest)))
    name = list(CATEGORIES)[rng.integers(len(CATEGORIES))]
    cover = _cover(rng, name, height, width, size)
    mask = cover >= 0.5
    if mask.sum() < MIN_AREA:
        return
    for number, area in enumerate(scene.areas, start=1):
        if ((scene.owner == number) & ~mask).sum() < max(MIN_AREA, MIN_VISIBLE * area):
            return
    below = scene.pixels[cover > 0.3].mean(axis=0)
    colour = _colour(rng, 10, 245)
    for _ in range(20):
        if np.abs(colour - below).sum() > MIN_CONTRAST:
            break
        colour = _colour(rng, 10, 245)
    surface = _texture(rng, height, width, colour, strength=0.9)
    scene.pixels += (surface - scene.pixels) * cover[..., None]
    scene.classes.append(name)
    scene.areas.append(int(mask.sum()))
    scene.owner[mask] = len(scene.classes)


def _cover(rng: np.random.Generator, name: str, height: int, width: int, size: float) -> Floats:
    """How much of each pixel a shape covers, [H,W], 0..1; turned, stretched and placed by chance."""
    outlines = _outlines(rng, name)
    angle, stretch = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(-0.15, 0.15))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = rng.uniform(0.02, 0.98, 2) * (width, height)
    canvas = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), np.uint8)
    for outline, value in zip(outlines, (255, 0), strict=False):  # the second one is a hole
        points = (outline * (stretch, 1 / stretch)) @ turn * (size / 2) + centre
        fixed = np.round((points * SUPERSAMPLING - 0.5) * 16).astype(np.int32)  # 4 binary digits after the point
        cv2.fillPoly(canvas, [fixed], value, shift=4)
    shrunk = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.float32) / np.float32(255)


def _outlines(rng: np.random.Generator, name: str) -> list[Points]:
    """The outer outline, and that of the hole if there is one, in a circle of radius 1."""
    if name == "disk":
        return [_polygon(np.ones(72))]
    if name == "ring":
        return [_polygon(np.ones(72)), _polygon(np.full(72, rng.uniform(0.45, 0.68)))]
    if name == "square":
        return [np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 0.78]
    if name == "triangle":
        return [_polygon(np.ones(3))]
    if name == "star":
        return [_polygon(np.tile((1.0, rng.uniform(0.38, 0.48)), 5))]
    arm = rng.uniform(0.26, 0.38)
    quarter = np.array([(arm, -arm), (1, -arm), (1, arm)])  # the right arm; the others are turns of it
    turns = [np.array([[c, s], [-s, c]]) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    return [np.concatenate([quarter @ turn for turn in turns]) * 0.92]


def _polygon(radii: Points) -> Points:
    """Points at equal angles, the first one up."""
    angles = np.arange(len(radii)) * (2 * np.pi / len(radii)) - np.pi / 2
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]


def _colour(rng: np.random.Generator, low: float, high: float) -> Floats:
    return rng.uniform(low, high, 3).astype(np.float32)


def _texture(rng: np.random.Generator, height: int, width: int, colour: Floats, strength: float) -> Floats:
    """A surface [H,W,3] around `colour`: plain, a gradient, stripes, blotches or checks."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    kind, angle = rng.integers(5), rng.uniform(0, 2 * np.pi)
    along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    if kind == 0:
        return np.zeros((height, width, 3), np.float32) + colour
    if kind == 3:
        return colour + _blotches(rng, height, width, int(rng.integers(10, 48)), 18 * strength)
    if kind == 1:
        pattern, contrast = along / max(height, width), 70
    elif kind == 2:
        pattern, contrast = np.sign(np.sin(along * np.float32(2 * np.pi / rng.uniform(7, 26)))), 20
    else:
        cell = int(rng.integers(8, 30))
        pattern, contrast = ((x // cell + y // cell) % 2) * 2 - 1, 16
    change = rng.uniform(-contrast, contrast, 3).astype(np.float32) * np.float32(strength)
    return np.asarray(colour + pattern[..., None] * change, np.float32)


def _blotches(rng: np.random.Generator, height: int, width: int, cell: int, amplitude: float) -> Floats:
    """Smooth noise [H,W,3], mostly of brightness."""
    shape = (max(2, height // cell + 2), max(2, width // cell + 2))
    coarse = rng.normal(0, amplitude, (*shape, 1)) + rng.normal(0, amplitude / 2, (*shape, 3))
    return np.asarray(cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC))


def annotations_of(scene: Scene, image_id: int) -> list[dict[str, Any]]:
    """The visible pixels of every object, in COCO's form, without ids of their own."""
    found = []
    for number, name in enumerate(scene.classes, start=1):
        mask = scene.owner == number
        y, x = np.nonzero(mask)
        found.append(
            {
                "image_id": image_id,
                "category_id": CATEGORIES[name],
                "segmentation": {"size": list(mask.shape), "counts": encode_mask(mask).decode("ascii")},
                "area": int(mask.sum()),
                "bbox": [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1],
                "iscrowd": 0,
            }
        )
    return found


def write_data(folder: Path, count: int, seed: int, force: bool = False) -> int:
    """Write `count` pictures and `instances.json` to `folder`; returns the number of objects. Raises OutputError."""
    annotation_file = check_output_path(folder / "instances.json", force)
    pictures = make_output_folder(folder / "images")
    images, annotations = [], list[dict[str, Any]]()
    for index in range(count):
        scene = draw_scene(seed, index)
        image_id = index + 1
        name = f"{image_id:012d}.jpg"
        pixels = np.clip(np.round(scene.pixels), 0, 255).astype(np.uint8)
        write_bytes(
            pictures / name, cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
        )
        height, width = scene.owner.shape
        images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        annotations += annotations_of(scene, image_id)
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    categories = [{"id": number, "name": name} for name, number in CATEGORIES.items()]
    write_json(
        annotation_file,
        {
            "info": {"description": f"drawn shapes, seed {seed}"},
            "images": images,
            "annotations": annotations,
            "categories": categories,
        },
    )
    return len(annotations)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m yolact_deploy.benchmarks.scripts.make_nano_data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=positive, default=DEFAULT_COUNT, help="pictures (default: %(default)s)")
    parser.add_argument(
        "--seed", type=positive, default=DEFAULT_SEED, help="of the random choices (default: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="replace files that exist")
    given = parser.parse_args(arguments)
    try:
        objects = write_data(given.folder, given.count, given.seed, given.force)
    except YolactDeployError as error:
        console.fail(str(error))
        return error.exit_status
    console.say(f"{given.folder}: {given.count} pictures, {objects} objects")
    return 0


if __name__ == "__main__":
    sys.exit(main())
