"""How much the plugins take: the limits of `problem.h` of each operator, before anything is built."""

from __future__ import annotations

from yolact_deploy.config.model import ModelConfig

MAX_COEFS = 64  # mask coefficients per detection
MAX_PRIORS = 65536
MAX_CLASSES = 1024
MAX_MASK_SIDE = 4096  # px


def beyond_plugins(config: ModelConfig) -> str:
    """What of a model is more than the plugins take, in words; empty where they take it."""
    sizes = (
        (config.num_coefs, MAX_COEFS, "mask coefficients per detection"),
        (config.num_priors, MAX_PRIORS, "anchors"),
        (config.num_classes, MAX_CLASSES, "classes"),
        (config.proto_size, MAX_MASK_SIDE, "px of mask side"),
    )
    return next((f"{size} {what}, and plugins take {most}" for size, most, what in sizes if size > most), "")
