"""The inputs and outputs of an exported graph: their names, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..config.model import ModelConfig
from ..ops.view import View
from ..types import NetworkDetections, PackedMasks
from .metadata import INPUT_KINDS, ModelMetadata
from .tensor_names import BOXES, MASK_SCORES, MASKS, SCORES

IMAGE_INPUT = "image"  # uint8 [B,H,W,3], BGR
PLANAR_INPUT = "planes"  # float32 [B,3,S,S], RGB, 0..255
COUNTS = "num_detections"  # [B], of planar graphs [B,1]: how many rows of the next ones are detections, not padding
ROW_OUTPUTS = (BOXES, SCORES, "classes", MASKS, MASK_SCORES)  # [B,D,...]: a row per detection
OUTPUT_NAMES = (BOXES, SCORES, "classes", MASKS, COUNTS)  # of every model


def output_names(config: ModelConfig) -> tuple[str, ...]:
    """The outputs of an exported model of `config`."""
    return (*OUTPUT_NAMES, MASK_SCORES) if config.rescores_masks else OUTPUT_NAMES


def host_view(metadata: ModelMetadata, image_size: Sequence[int]) -> View | None:
    """For `split_batch`. A graph with input "tensor" does not know the images' size, height and width in px: its boxes
    are relative to what the network sees. None where the graph makes them relative to the image."""
    return None if metadata.input_kind == INPUT_KINDS[0] else View.of(metadata.config.resize, *image_size)


def split_batch(outputs: Mapping[str, np.ndarray], count: int, view: View | None = None) -> list[NetworkDetections]:
    """The exported graph's outputs by name -> the detections of the first `count` images, without padding rows.

    view: see `host_view`.
    """
    results = []
    for index, found in enumerate(outputs[COUNTS].reshape(-1)[:count].tolist()):
        kept = slice(0, found)
        scores = outputs["scores"][index, kept]
        boxes, masks = outputs["boxes"][index, kept], outputs["masks"][index, kept]
        results.append(
            NetworkDetections(
                boxes=boxes if view is None else view.to_image(boxes),
                scores=scores,
                classes=outputs["classes"][index, kept].astype(np.int64),
                masks=PackedMasks(masks) if masks.dtype == np.int32 else masks,
                mask_scores=outputs[MASK_SCORES][index, kept] if MASK_SCORES in outputs else scores,
            )
        )
    return results
