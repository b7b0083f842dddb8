"""Class names of the data sets that published checkpoints were trained on, in the order of the class index."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Sequence

from ..errors import ConfigError

COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip

PASCAL = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

YOUTUBE_VIS = (  # of 2019
    "person", "giant_panda", "lizard", "parrot", "skateboard", "sedan", "ape", "dog", "snake", "monkey", "hand",
    "rabbit", "duck", "cat", "cow", "fish", "train", "horse", "turtle", "bear", "motorbike", "giraffe", "leopard",
    "fox", "deer", "owl", "surfboard", "airplane", "truck", "zebra", "tiger", "elephant", "snowboard", "boat", "shark",
    "mouse", "frog", "eagle", "earless_seal", "tennis_racket",
)  # fmt: skip

_NAMES_SHOWN = 12
_MAX_WORD = 200  # characters of a name that are looked at

SHAPES = ("disk", "square", "triangle", "star", "ring", "cross")


def generic(num_classes: int) -> tuple[str, ...]:
    """Names for a checkpoint that brings none: class 0, class 1, ..."""
    return tuple(f"class {index}" for index in range(num_classes))


def class_name(class_names: Sequence[str], index: int) -> str:
    """The name of a class, "class 7" where it has none."""
    return (class_names[index] if index < len(class_names) else "") or f"class {index}"


def close_names(word: object, class_names: Sequence[str]) -> str:
    """For the error about a class that a model does not have: "use names such as ..."."""
    by_name = {name.casefold(): name for name in class_names}
    close = [by_name[name] for name in difflib.get_close_matches(str(word)[:_MAX_WORD].casefold(), by_name, 3)]
    names = close or list(class_names[:_NAMES_SHOWN])
    return f"use names such as {', '.join(names)}{'' if len(class_names) <= len(names) else ', ...'}"


def checked_names(names: Sequence[str]) -> tuple[str, ...]:
    """`names` as a tuple. Raises ConfigError for what is no sequence of texts, or holds an empty one."""
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"class names {reprlib.repr(names)}: a list of texts, one for each class")
    if not all(names):
        raise ConfigError(f"class names: name {list(names).index('') + 1} is empty; give one per class")
    return tuple(names)
