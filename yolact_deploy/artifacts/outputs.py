"""The inputs and outputs of an exported graph: their names, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..config.model import ModelConfig
from ..types import NetworkDetections, PackedMasks
from .tensor_names import BOXES, MASK_SCORES, MASKS, SCORES

IMAGE_INPUT = "image"  # uint8 [B,H,W,3], BGR
PLANAR_INPUT = "planes"  # float32 [B,3,S,S], RGB, 0..255
COUNTS = "num_detections"  # [B], of planar graphs [B,1]: how many rows of the next ones are detections, not padding
ROW_OUTPUTS = (BOXES, SCORES, "classes", MASKS, MASK_SCORES)  # [B,D,...]: a row per detection
OUTPUT_NAMES = (BOXES, SCORES, "classes", MASKS, COUNTS)  # of every model


def output_names(config: ModelConfig) -> tuple[str, ...]:
    """The outputs of an exported model of `config`."""
    return (*OUTPUT_NAMES, MASK_SCORES) if config.rescores_masks else OUTPUT_NAMES


def split_batch(outputs: Mapping[str, np.ndarray], count: int) -> list[NetworkDetections]:
    """The exported graph's outputs by name -> the detections of the first `count` images, without padding rows."""
    results = []
    for index, found in enumerate(outputs[COUNTS].reshape(-1)[:count].tolist()):
        kept = slice(0, found)
        scores = outputs["scores"][index, kept]
        masks = outputs["masks"][index, kept]
        results.append(
            NetworkDetections(
                boxes=outputs["boxes"][index, kept],
                scores=scores,
                classes=outputs["classes"][index, kept].astype(np.int64),
                masks=PackedMasks(masks) if masks.dtype == np.int32 else masks,
                mask_scores=outputs[MASK_SCORES][index, kept] if MASK_SCORES in outputs else scores,
            )
        )
    return results
