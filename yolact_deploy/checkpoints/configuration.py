"""Which configuration a checkpoint has: by its file name, by its tensors, by what it says of itself."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ..config.model import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE, NAMED_CONFIGS, ModelConfig
from ..errors import CheckpointError, ConfigError
from .architecture import Architecture
from .families.family import Family

_SIZE_IN_NAME = re.compile(r"(?<![a-z])(?:im|img|size)(\d{2,4})(?!\d)|(?<!\d)(\d{2,4})(?:px|x\2)(?![a-z0-9])")
_CODE_BASES = ("yolact_edge",)  # configurations whose name is also that of the code, which trains others, too
_RULES = ("resize", "square_anchors", "fpn_extra_relu", "fpn_upsample", "proto_upsample")  # that no tensor tells


def find_config(path: Path, found: Architecture, family: Family, notes: list[str]) -> ModelConfig:
    """The configuration of a file: by its name where that is one of ours, by its tensors otherwise."""
    name = path.stem.removesuffix("_interrupt")
    parts = name.rsplit("_", 2)  # the official form: configuration, epoch, iteration
    if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
        name = parts[0]
    if name in NAMED_CONFIGS:
        config = _fitted(found, NAMED_CONFIGS[name]) or NAMED_CONFIGS[name]
        if name not in _CODE_BASES or not found.differences(config):
            check_structure(found, config, f"the file name says {name}", family)
            notes += _variant_notes(path, found, config)
            return config
    fitting = _fitting(found)
    fitting = [config for config in fitting if config.name in family.configurations] or fitting
    if not fitting:
        raise CheckpointError(
            f"{path.name}: the tensors are a {found.describe()}, which no named configuration has; describe it in a "
            f"file and pass --config FILE, starting from {found.advice()}"
        )
    chosen = _likeliest(fitting, name, found.num_classes)
    differing = (replace(chosen, name=config.name, class_names=config.class_names) != config for config in fitting)
    others = [config.name for config, differs in zip(fitting, differing, strict=True) if differs]
    alternatives = f" (its tensors also fit {', '.join(others)}, which differ in anchors or image size)"
    notes += _variant_notes(path, found, chosen)
    is_named = NAMED_CONFIGS[chosen.name].image_size == chosen.image_size
    resized = "" if is_named else ", as the name says, with anchors scaled to it"
    notes.append(
        f"{path.name} names no configuration; assumed {chosen.name} at {chosen.image_size} px{resized}"
        f"{alternatives if others else ''}: pass --config to choose"
    )
    return chosen


def _fitting(found: Architecture) -> list[ModelConfig]:
    """The named configurations that the tensors fit; where they fit none, those with other nets that they fit, and then
    those with another backbone, too."""
    exact = [config for config in NAMED_CONFIGS.values() if not found.differences(config)]
    for with_backbone in (False, True):
        if not exact:
            variants = (_fitted(found, config, with_backbone) for config in NAMED_CONFIGS.values())
            exact = [config for config in variants if config is not None]
    return exact


def _fitted(found: Architecture, config: ModelConfig, with_backbone: bool = False) -> ModelConfig | None:
    """See `Architecture.variant_of`; None where the tensors do not fit even then."""
    try:
        variant = found.variant_of(config, with_backbone)
    except ConfigError:  # such as masks that are too small for the mask-IoU net
        return None
    return None if found.differences(variant) else variant


def _variant_notes(path: Path, found: Architecture, config: ModelConfig) -> list[str]:
    """What was taken from the tensors, where that is not what the named configuration has."""
    named = NAMED_CONFIGS.get(config.name, config)
    taken = list(found.nets.differences(named).values())
    if config.backbone != named.backbone:
        taken.insert(0, f"a {config.backbone.describe()} backbone")
    if not taken:
        return []
    assumed = ""
    if config.mask_proto_net:
        assumed = "; strides, paddings and upsampling of mask_proto_net are assumed, masks have "
        assumed += f"{config.proto_size} px: pass a --config FILE if it was trained with others"
    return [
        f"{path.name} differs from {config.name} in what its tensors tell, which is taken: {', '.join(taken)}{assumed}"
    ]


def _likeliest(fitting: list[ModelConfig], name: str, num_classes: int) -> ModelConfig:
    """Of configurations that fit: the one that `name` starts with, at the image size in `name`."""
    prefixes = [config for config in fitting if name.startswith(config.name)]
    same_classes = [config for config in fitting if config.num_classes == num_classes]
    chosen = max(prefixes, key=lambda config: len(config.name)) if prefixes else (same_classes or fitting)[0]
    size = _SIZE_IN_NAME.search(name.lower())
    wanted = int(size[1] or size[2]) if size else chosen.image_size
    if wanted == chosen.image_size or not MIN_IMAGE_SIZE <= wanted <= MAX_IMAGE_SIZE:
        return chosen
    resized = chosen.with_image_size(wanted)
    return next((config for config in fitting if replace(config, name=chosen.name) == resized), resized)


def with_tensors(config: ModelConfig, found: Architecture, family: Family) -> ModelConfig:
    """What a file says of itself, completed by what its tensors tell; named where a named configuration is that."""
    config = found.completed(config)
    same = (
        name
        for name in family.configurations
        if replace(NAMED_CONFIGS[name], name=config.name, class_names=config.class_names) == config
    )
    return replace(config, name=next(same, config.name))


def rules_of_others(config: ModelConfig, family: Family) -> list[str]:
    """What of the rules of `config`, which was asked for, the family does not train with."""
    own = NAMED_CONFIGS.get(next(iter(family.configurations), ""))
    if own is None or own.is_official:
        return []
    differing = [name for name in _RULES if getattr(config, name) != getattr(own, name)]
    found = ", ".join(f"{name} {getattr(config, name)}, not {getattr(own, name)}" for name in differing)
    differs = f"{config.name} differs from what {family.name} trains: {found}; detections may be wrong"
    return [differs] if differing else []


def check_structure(found: Architecture, config: ModelConfig, claim: str, family: Family) -> None:
    differences = found.differences(config)
    if not differences:
        return
    fitting = [other.name for other in NAMED_CONFIGS.values() if not found.differences(other)]
    fitting.sort(key=lambda name: name not in family.configurations)
    advice = f"pass --config {fitting[0]}" if fitting else f"pass a --config FILE with {found.advice()}"
    raise CheckpointError(f"{claim}, but the checkpoint has {'; '.join(differences)}: {advice}")


def fit_classes(
    config: ModelConfig, found: Architecture, notes: list[str], own: ModelConfig | None = None
) -> ModelConfig:
    """`config` with the checkpoint's class count; names of our own are no claim, names that a user gave are. own: the
    file's configuration, whose names are taken where they fit."""
    if config.num_classes == found.num_classes:
        return config
    if config.class_names not in [named.class_names for named in NAMED_CONFIGS.values()]:
        raise CheckpointError(
            f"checkpoint has {found.num_classes} classes, {config.name} has {config.num_classes}: "
            f"set num_classes to {found.num_classes} or leave it out"
        )
    if own is not None and own.num_classes == found.num_classes:
        return replace(config, class_names=own.class_names)
    notes.append(
        f"checkpoint has {found.num_classes} classes, {config.name} has {config.num_classes}: "
        "classes are numbered; pass --class-names to name them"
    )
    return config.with_num_classes(found.num_classes)
