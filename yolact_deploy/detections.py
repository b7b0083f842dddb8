"""The detections of one image, as users get them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from .config.class_names import class_name
from .dependencies import require
from .errors import DataError
from .formats.coco import category_ids, corner_and_size, exact, segmentation
from .formats.polygons import mask_polygons
from .formats.window import window_of

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
_KINDS_SHOWN = 6  # classes named in a repr


@dataclass(frozen=True, eq=False)
class Detection:
    """One detection: what iterating over `Detections` gives."""

    name: str  # of its class
    score: float  # of the box, 0..1
    box: IntArray  # [4] x1 y1 x2 y2 in image pixels
    mask: BoolArray  # [H,W] at image size
    class_index: int  # 0-based, background not counted
    mask_score: float  # equal to `score` except for YOLACT++

    def __repr__(self) -> str:
        return f"{self.name} {self.score:.2f}, box {' '.join(map(str, self.box.tolist()))}"

    def __eq__(self, other: object) -> bool:
        return _are_equal(self, other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Detections:
    """The detections of one image, best score first. No detections is an ordinary result with D = 0.

    `len` counts them; iterating and an index give one `Detection`; a slice, a boolean array [D] and an array of indices
    give `Detections`: `found[found.scores > 0.5]`, `found[found.names == "bolt"]`, `found[:3]`.
    """

    boxes: IntArray  # [D,4] x1 y1 x2 y2 in image pixels
    scores: FloatArray  # [D] box scores
    mask_scores: FloatArray  # [D] equal to `scores` except for YOLACT++
    classes: IntArray  # [D] 0-based class index, background not counted
    masks: BoolArray  # [D,H,W] at image size
    class_names: tuple[str, ...] = ()  # of the model, by class index; empty: not known

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        return (self._at(index) for index in range(len(self)))

    @overload
    def __getitem__(self, key: int | np.integer[Any]) -> Detection: ...

    @overload
    def __getitem__(self, key: slice | npt.ArrayLike) -> Detections: ...

    def __getitem__(self, key: Any) -> Detection | Detections:
        """One by its index; several by a slice, a boolean array [D] or an array of indices, in the order asked for.

        Raises IndexError for an index that is not there or a boolean array of another length, TypeError for
        another key.
        """
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            if not -len(self) <= key < len(self):
                raise IndexError(f"detection {key} of {len(self)}: indices go from 0 to {len(self) - 1}")
            return self._at(int(key))
        rows = _rows(key, len(self))
        return Detections(
            self.boxes[rows],
            self.scores[rows],
            self.mask_scores[rows],
            self.classes[rows],
            self.masks[rows],
            self.class_names,
        )

    def _at(self, index: int) -> Detection:
        return Detection(
            name=class_name(self.class_names, int(self.classes[index])),
            score=float(self.scores[index]),
            box=self.boxes[index],
            mask=self.masks[index],
            class_index=int(self.classes[index]),
            mask_score=float(self.mask_scores[index]),
        )

    def __repr__(self) -> str:
        counts = Counter(class_name(self.class_names, index) for index in self.classes.tolist()).most_common()
        kinds = [f"{count} {name}" for name, count in counts[:_KINDS_SHOWN]]
        if len(counts) > _KINDS_SHOWN:
            kinds.append(f"{sum(count for _, count in counts[_KINDS_SHOWN:])} of other classes")
        total = f"{len(self)} detection{'' if len(self) == 1 else 's'}"
        return f"{total}{': ' if kinds else ''}{', '.join(kinds)}"

    def __eq__(self, other: object) -> bool:
        """Whether every array, and the class name of every detection, is the same."""
        return _are_equal(self, other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def names(self) -> npt.NDArray[np.str_]:
        """[D] the class name of each detection, "class 7" where it is not known."""
        return np.array([class_name(self.class_names, index) for index in self.classes.tolist()], np.str_)

    @property
    def height(self) -> int:
        """Image height, px."""
        return int(self.masks.shape[1])

    @property
    def width(self) -> int:
        """Image width, px."""
        return int(self.masks.shape[2])

    @classmethod
    def empty(cls, height: int, width: int) -> Detections:
        """The result for an image of `height` x `width` px in which nothing was found."""
        return cls(
            boxes=np.zeros((0, 4), np.int64),
            scores=np.zeros(0, np.float32),
            mask_scores=np.zeros(0, np.float32),
            classes=np.zeros(0, np.int64),
            masks=np.zeros((0, height, width), np.bool_),
        )

    def polygons(self, tolerance: float | None = None) -> list[list[npt.NDArray[np.float64]]]:
        """Of each detection the outlines of its mask: a polygon [N,2] (x, y) in px for each connected part.

        A pixel covers [x, x+1). A hole is joined to the outline around it by a line that is gone along twice.
        tolerance: how far an outline may be off to need fewer corners, px; None for 0.5 on small masks to 1 on large
        ones, 0 for the mask itself.
        """
        windows = (window_of(mask) for mask in self.masks)
        return [[np.reshape(ring, (-1, 2)) for ring in mask_polygons(window, tolerance)] for window in windows]

    def to_coco(
        self, image_id: int, *, categories: Mapping[str, int] | None = None, as_polygons: bool = False
    ) -> list[dict[str, Any]]:
        """COCO annotations: a list that pycocotools' `COCO.loadRes` takes, also joined for several images.

        Each has image_id, category_id, bbox [x, y, width, height] in px, score, area in px, iscrowd and the mask:
        compressed run lengths, or with `as_polygons` polygons; of YOLACT++ also mask_score. categories: the id of each
        class by its name; None for COCO's own ids of COCO's classes, else 1, 2, 3 in the order of the classes.

        Raises DataError for an image id that is no whole number, or a class that `categories` does not have.
        """
        if isinstance(image_id, bool) or not isinstance(image_id, (int, np.integer)):
            raise DataError(f"image_id {image_id!r}: COCO's ids are whole numbers")
        rescores = not np.array_equal(self.scores, self.mask_scores)
        entries = []
        for found in self:
            window = window_of(found.mask)
            entry = {
                "image_id": int(image_id),
                "category_id": self._category_id(found, categories),
                "bbox": corner_and_size(found.box),
                "score": exact(np.float32(found.score)),
                "area": int(window.inside.sum()),
                "iscrowd": 0,
                "segmentation": segmentation(window, self.height, self.width, as_polygons),
            }
            entries.append({**entry, "mask_score": exact(np.float32(found.mask_score))} if rescores else entry)
        return entries

    def _category_id(self, found: Detection, categories: Mapping[str, int] | None) -> int:
        if categories is None:
            ids = category_ids(self.class_names)
            return ids[found.class_index] if found.class_index < len(ids) else found.class_index + 1
        if found.name not in categories:
            raise DataError(f"categories has no id for the class {found.name!r}: add it, or leave such detections out")
        return categories[found.name]

    def to_supervision(self) -> Any:
        """The same as `supervision.Detections`: xyxy [D,4] float32 in px, mask [D,H,W], confidence [D], class_id [D],
        and the class names [D] in `data`. Raises MissingDependencyError without the package."""
        supervision = require("supervision", "to_supervision")
        return supervision.Detections(
            xyxy=self.boxes.astype(np.float32),
            mask=self.masks,
            confidence=self.scores,
            class_id=self.classes,
            data={"class_name": self.names},
        )


def _rows(key: Any, count: int) -> slice | npt.NDArray[Any]:
    """What numpy takes for the rows that `key` names. Raises as `Detections.__getitem__`."""
    if isinstance(key, slice):
        return key
    rows = np.asarray(key)
    if rows.ndim == 1 and rows.size == 0 and rows.dtype != np.bool_:
        return np.zeros(0, np.int64)
    if rows.ndim != 1 or rows.dtype.kind not in "biu":
        shown = f"shape {list(rows.shape)}, type {rows.dtype}" if isinstance(key, np.ndarray) else repr(key)
        raise TypeError(
            f"detections[...] takes an index, a slice, a boolean array [D] or an array of indices, not {shown:.80}"
        )
    if rows.dtype == np.bool_ and len(rows) != count:
        raise IndexError(f"a boolean array of {len(rows)} values for {count} detections: give one for each")
    if rows.dtype != np.bool_ and not ((rows >= -count) & (rows < count)).all():
        raise IndexError(f"indices {rows.min()} to {rows.max()} of {count} detections: they go from 0 to {count - 1}")
    return rows


def _are_equal(one: Any, other: Any) -> Any:
    """Whether two of one class hold the same; NotImplemented for different classes."""
    if type(one) is not type(other):
        return NotImplemented
    names = [field.name for field in dataclasses.fields(one)]
    names = [name if name != "class_names" else "names" for name in names]  # of what was found
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)
