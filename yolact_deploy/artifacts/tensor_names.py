"""YOLACT's stages in order. The tensors of exported files have the same names."""

from __future__ import annotations

from ..config.model import ModelConfig

NETWORK_INPUT = "network_input"  # float32 [B,3,S,S], RGB, normalised
FLOAT_IMAGE = "preprocess/float"  # float32 [B,H,W,3]: masks at the image's size are made of its height and width
PADDED_IMAGE = "preprocess/padded"  # float32 [B,M,M,3], of a model that keeps the aspect ratio: takes its place there
BACKBONE_STAGES = ("C3", "C4", "C5")  # strides 8, 16, 32
CONF = "conf"
RAW_OUTPUTS = ("loc", CONF, "coef", "proto")  # the network's outputs, as in types.RawOutputs
BOXES, SCORES, MASKS, MASK_SCORES = "boxes", "scores", "masks", "mask_scores"  # of the detections that match


def pyramid_levels(config: ModelConfig) -> tuple[str, ...]:
    """Names of the FPN's levels, finest first: P3 and on."""
    return tuple(f"P{3 + index}" for index in range(len(config.scales)))


def feature_names(config: ModelConfig) -> tuple[str, ...]:
    """What lies between the network's input and its outputs: C3, C4, C5, P3, ..."""
    return (*BACKBONE_STAGES, *pyramid_levels(config))


def tensor_stages(config: ModelConfig) -> tuple[str, ...]:
    """The stages that are one tensor each, up to the network's outputs."""
    return (NETWORK_INPUT, *feature_names(config), "proto", "loc", CONF, "coef")


def detection_stages(config: ModelConfig) -> tuple[str, ...]:
    """The stages after Fast NMS."""
    return (BOXES, SCORES, MASKS, *((MASK_SCORES,) if config.rescores_masks else ()))
