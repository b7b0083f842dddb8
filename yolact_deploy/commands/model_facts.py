"""What the metadata of a model says, as lines of `inspect`."""

from __future__ import annotations

from ..artifacts.metadata import ModelMetadata
from ..config.model import ModelConfig
from ..config.postprocess import PostprocessConfig

MAX_NAMES = 12  # class names shown without -v

Facts = list[tuple[str, object]]


def model_facts(metadata: ModelMetadata, verbose: bool) -> Facts:
    """Origin, configuration, precision, classes and thresholds of an exported model."""
    config, limits = metadata.config, metadata.postprocess
    return [
        ("made by", f"yolact-deploy {metadata.tool_version}"),
        ("checkpoint", f"{metadata.checkpoint_name}, sha256 {metadata.checkpoint_sha256}"),
        ("configuration", f"{config.name}, {config.backbone.describe()}, {config.image_size} x {config.image_size} px"),
        *plus_facts(config, metadata.deform_conv),
        ("precision", metadata.precision),
        *([] if metadata.quantization is None else [("quantisation", metadata.quantization.describe())]),
        ("masks", f"at {metadata.mask_size} size"),
        ("classes", names_text(config.class_names, verbose)),
        (
            "thresholds",
            f"score > {limits.score_threshold:g}, IoU {limits.iou_threshold:g}, best {limits.top_k} per class, "
            f"{limits.max_detections} per image{', across classes' if limits.cross_class else ''}",
        ),
        *rule_facts(limits),
        *([("class thresholds", metadata.describe_thresholds())] if metadata.thresholds else []),
    ]


def rule_facts(rules: PostprocessConfig) -> Facts:
    """Rules that the official code does not have; nothing where there are none."""
    words = [
        *(["boxes clipped to the image before suppression"] if rules.clip_boxes else []),
        *([f"the best {rules.candidates_per_level} anchors of each level"] if rules.candidates_per_level else []),
        *(["the score of each detection above the threshold"] if rules.threshold_per_class else []),
    ]
    return [("rules", "; ".join(words))] if words else []


def plus_facts(config: ModelConfig, deform_conv: str | None = None) -> Facts:
    """What YOLACT++ adds; nothing for a YOLACT. deform_conv: the form that a file has it in."""
    facts: Facts = []
    count = len(config.backbone.deformable_blocks)
    if count:
        facts.append(("deformable", f"{count} convolutions{f' as {deform_conv}' if deform_conv else ''}"))
    if config.rescores_masks:
        channels = "-".join(map(str, config.mask_iou_channels))
        facts.append(("mask scores", f"by a mask-IoU net of {channels} channels"))
    return facts


def names_text(names: tuple[str, ...], verbose: bool) -> str:
    """How many class names, and the first of them."""
    shown = names if verbose else names[:MAX_NAMES]
    return f"{len(names)}: {', '.join(shown)}{', ...' if len(shown) < len(names) else ''}"
