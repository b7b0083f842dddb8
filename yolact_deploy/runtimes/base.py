"""The interface of every runtime, and how images are grouped into the batches that a model takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from ..artifacts.metadata import PLANAR_INPUTS, TENSOR_INPUTS, ModelMetadata
from ..artifacts.outputs import host_view, split_batch
from ..ops.preprocess import planes_numpy, preprocess_numpy
from ..types import Image, NetworkDetections


class Runtime(Protocol):
    """A loaded model: uint8 images in, detections with relative boxes and the model's own masks out."""

    metadata: ModelMetadata
    description: str  # what runs it and where, such as "ONNX Runtime 1.32.0, CPU, 2 threads"
    device: str  # cpu or cuda: where the network runs

    def detect(self, images: Sequence[Image]) -> list[NetworkDetections]:
        """Detections of each image (checked, [H,W,3]; sizes may differ), in order."""
        ...

    def close(self) -> None:
        """Give back what it holds; may be called twice."""
        ...


def counted_threads(count: int) -> str:
    """ "1 thread", "2 threads"."""
    return f"{count} thread{'' if count == 1 else 's'}"


def detect_in_batches(
    run: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    images: Sequence[Image],
    metadata: ModelMetadata,
    batch_size: int | None,
) -> list[NetworkDetections]:
    """`Runtime.detect` of an exported file; `run` makes its outputs from its input."""
    results: list[NetworkDetections] = []
    for batch, count in batches(images, batch_size):
        results += split_batch(run(graph_input(batch, metadata)), count, host_view(metadata, batch.shape[1:3]))
    return results


def graph_input(images: np.ndarray, metadata: ModelMetadata) -> np.ndarray:
    """uint8 [B,H,W,3] BGR -> what the graph of an exported file takes, by its `input_kind`."""
    if metadata.input_kind == TENSOR_INPUTS:
        return preprocess_numpy(images, metadata.config)
    return planes_numpy(images, metadata.config) if metadata.input_kind == PLANAR_INPUTS else images


def batches(images: Sequence[Image], batch_size: int | None) -> Iterator[tuple[np.ndarray, int]]:
    """Stack neighbours of equal size: yields uint8 [B,H,W,3] and how many of its rows are real.

    batch_size None: any B. Otherwise B is always `batch_size`, filled up with black images.
    """
    start = 0
    while start < len(images):
        stop = start + 1
        limit = len(images) if batch_size is None else start + batch_size
        while stop < min(limit, len(images)) and images[stop].shape == images[start].shape:
            stop += 1
        count = stop - start
        if count == 1 and batch_size in (1, None):
            yield images[start][None], 1
        else:
            batch = np.zeros((batch_size or count, *images[start].shape), np.uint8)
            np.stack(images[start:stop], out=batch[:count])
            yield batch, count
        start = stop
