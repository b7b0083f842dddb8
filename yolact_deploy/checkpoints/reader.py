"""Checkpoints, safely: file -> official state dict -> the configuration that it was trained with -> model."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..config.model import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE, NAMED_CONFIGS, ModelConfig, PostprocessConfig
from ..errors import CheckpointError, ConfigError, warn_assumed
from ..files import sha256_of
from ..models.yolact import Yolact
from .architecture import Architecture
from .families.family import Family
from .families.recognition import family_of
from .state_dict import read_tensors

_TRAINING_ONLY = ("semantic_seg_conv.", "class_existence_fc.")  # layers of official checkpoints
_SIZE_IN_NAME = re.compile(r"(?<![a-z])(?:im|img|size)(\d{2,4})(?!\d)|(?<!\d)(\d{2,4})(?:px|x\2)(?![a-z0-9])")
_CODE_BASES = ("yolact_edge",)  # configurations whose name is also that of the code, which trains others, too
_MAX_KEYS_SAID = 3
_RULES = ("resize", "square_anchors", "fpn_extra_relu", "fpn_upsample", "proto_upsample")  # that no tensor tells


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that fits its configuration."""

    path: Path
    state_dict: dict[str, torch.Tensor]  # official keys, float32, without `dropped_keys`
    config: ModelConfig
    postprocess: PostprocessConfig  # the rules of the family
    family: str  # the code base that wrote it, for people
    sha256: str  # of the file
    file_format: str  # "zip", "legacy" or "safetensors"
    dropped_keys: tuple[str, ...]  # the file's, that no inference needs or that the family's loader drops too
    notes: tuple[str, ...]  # what was assumed, for people to read; `read_checkpoint` has warned of it

    def build(self) -> Yolact:
        """The model with these weights, in eval mode."""
        model = Yolact(self.config)
        model.load_state_dict(self.state_dict, strict=False)  # `read_checkpoint` has compared all keys and shapes
        return model.eval()


def load_checkpoint(
    path: str | Path,
    config: ModelConfig | None = None,
    num_classes: int | None = None,
    class_names: tuple[str, ...] | None = None,
    family: str | None = None,
) -> tuple[Yolact, ModelConfig]:
    """The model in a checkpoint file, ready for inference, and its configuration; see `read_checkpoint`."""
    checkpoint = read_checkpoint(path, config, num_classes, class_names, family)
    return checkpoint.build(), checkpoint.config


def read_checkpoint(
    path: str | Path,
    config: ModelConfig | None = None,
    num_classes: int | None = None,
    class_names: tuple[str, ...] | None = None,
    family: str | None = None,
) -> Checkpoint:
    """Read a .pth (torch's zip or legacy format) or .safetensors file, without running code from it.

    The family of code that wrote it is found from its keys, which become the official ones; `family`, one of
    families.names.FAMILY_NAMES, decides where keys fit several. The configuration is found
    from the file name (`yolact_base_54_800000.pth`) and the tensors' shapes unless `config` is given; the class count
    comes from the tensors, and `num_classes`, where given, must agree with it. class_names: in place of the
    configuration's. What had to be assumed or was left out is said by an AssumptionWarning.

    Raises CheckpointError for a file that is missing, damaged, of another architecture, or does not fit, ConfigError
    for another number of class names.
    """
    path = Path(path)
    stored = read_tensors(path)
    try:
        origin = family_of(stored.tensors, family)
    except CheckpointError as error:
        raise CheckpointError(f"{path.name}: {error}") from None
    doubt = origin.doubt(stored.tensors, path) if family is None else ""
    if doubt:
        raise CheckpointError(f"{path.name} {doubt}")
    translation = origin.describe(origin.translate(stored.tensors, path), stored.meta, path)
    tensors = translation.tensors
    found = Architecture.of(tensors, path)
    if num_classes is not None and num_classes != found.num_classes:
        raise CheckpointError(
            f"checkpoint has {found.num_classes} classes, --num-classes says {num_classes}: "
            f"pass --num-classes {found.num_classes} or leave it out"
        )
    notes = list(translation.notes)
    if config is not None:
        _check_structure(found, config, f"{config.name} was asked for", origin)
        notes += _rules_of_others(config, origin)
    elif translation.problem:
        raise CheckpointError(f"{path.name}: {translation.problem}: pass --config FILE if you know that it fits")
    elif translation.config is not None:
        config = _with_tensors(translation.config, found, origin)
        notes += [f"{translation.assumption}: pass --config to choose"] if translation.assumption else []
        _check_structure(found, config, f"{path.name} is of {origin.name}", origin)
    else:
        config = _find_config(path, found, origin, notes)
    config = _fit_classes(config, found, notes if class_names is None else [], translation.config)
    if class_names is not None:
        config = config.with_class_names(class_names)
    if found.num_downsample > config.num_downsample:
        notes.append(
            f"{path.name} has {found.num_downsample} extra FPN levels, {config.name} has {config.num_downsample}: the "
            "others are left out, as the official code does; if it was trained with them, pass a --config with scales "
            "for every level"
        )
    dropped = tuple(key for key in tensors if _is_dropped(key, config))
    state_dict = {key: tensor for key, tensor in tensors.items() if key not in dropped}
    _check_shapes(state_dict, config, path)
    state_dict = {key: _as_float32(key, tensor, path) for key, tensor in state_dict.items()}
    for note in notes:
        warn_assumed(note)
    return Checkpoint(
        path=path,
        state_dict=state_dict,
        config=config,
        postprocess=translation.postprocess,
        family=origin.name,
        sha256=sha256_of(path),
        file_format=stored.file_format,
        dropped_keys=(*translation.dropped_keys, *dropped),
        notes=tuple(notes),
    )


def _is_dropped(key: str, config: ModelConfig) -> bool:
    """Training-only layers that no model here has, and keys of v1.0 that the official `load_weights` deletes."""
    if key.startswith("class_existence_fc.") or re.match(r"backbone\.layer(?!s)", key):
        return True
    level = re.fullmatch(r"fpn\.downsample_layers\.(\d{1,3})\..+", key)
    return level is not None and int(level[1]) >= config.num_downsample


def _find_config(path: Path, found: Architecture, family: Family, notes: list[str]) -> ModelConfig:
    """The configuration of a file: by its name where that is one of ours, by its tensors otherwise."""
    name = path.stem.removesuffix("_interrupt")
    parts = name.rsplit("_", 2)  # the official form: configuration, epoch, iteration
    if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
        name = parts[0]
    if name in NAMED_CONFIGS:
        config = _fitted(found, NAMED_CONFIGS[name]) or NAMED_CONFIGS[name]
        if name not in _CODE_BASES or not found.differences(config):
            _check_structure(found, config, f"the file name says {name}", family)
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


def _with_tensors(config: ModelConfig, found: Architecture, family: Family) -> ModelConfig:
    """What a file says of itself, completed by what its tensors tell; named where a named configuration is that."""
    config = found.completed(config)
    same = (
        name
        for name in family.configurations
        if replace(NAMED_CONFIGS[name], name=config.name, class_names=config.class_names) == config
    )
    return replace(config, name=next(same, config.name))


def _rules_of_others(config: ModelConfig, family: Family) -> list[str]:
    """What of the rules of `config`, which was asked for, the family does not train with."""
    own = NAMED_CONFIGS.get(next(iter(family.configurations), ""))
    if own is None or own.is_official:
        return []
    differing = [name for name in _RULES if getattr(config, name) != getattr(own, name)]
    found = ", ".join(f"{name} {getattr(config, name)}, not {getattr(own, name)}" for name in differing)
    differs = f"{config.name} differs from what {family.name} trains: {found}; detections may be wrong"
    return [differs] if differing else []


def _check_structure(found: Architecture, config: ModelConfig, claim: str, family: Family) -> None:
    differences = found.differences(config)
    if not differences:
        return
    fitting = [other.name for other in NAMED_CONFIGS.values() if not found.differences(other)]
    fitting.sort(key=lambda name: name not in family.configurations)
    advice = f"pass --config {fitting[0]}" if fitting else f"pass a --config FILE with {found.advice()}"
    raise CheckpointError(f"{claim}, but the checkpoint has {'; '.join(differences)}: {advice}")


def _fit_classes(
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


def _check_shapes(state_dict: dict[str, torch.Tensor], config: ModelConfig, path: Path) -> None:
    """Raise CheckpointError unless keys and shapes are those of `config`'s model."""
    with torch.device("meta"):
        expected = Yolact(config).state_dict()
    missing = [
        key
        for key in expected
        if key not in state_dict and not key.startswith(_TRAINING_ONLY) and not key.endswith("num_batches_tracked")
    ]
    unexpected = [key for key in state_dict if key not in expected]
    for keys, what in ((missing, "missing"), (unexpected, "unexpected")):
        if keys:
            more = f" and {len(keys) - _MAX_KEYS_SAID} more" if len(keys) > _MAX_KEYS_SAID else ""
            raise CheckpointError(
                f"{path.name} does not fit {config.name}: {what} keys: {', '.join(keys[:_MAX_KEYS_SAID])}{more}; "
                "pass another --config"
            )
    for key, tensor in state_dict.items():
        if tensor.shape != expected[key].shape:
            raise CheckpointError(
                f"{path.name} does not fit {config.name}: {key} is {list(tensor.shape)}, expected "
                f"{list(expected[key].shape)}; pass the right --config"
            )


def _as_float32(key: str, tensor: torch.Tensor, path: Path) -> torch.Tensor:
    """Floats as float32, only now that the shape is known to be right. Raises CheckpointError for NaN and infinity."""
    if not tensor.is_floating_point():
        return tensor
    value = tensor.detach().float()
    if not value.isfinite().all():
        raise CheckpointError(
            f"{path.name}: {key} holds NaN or infinite values; the training diverged or it is damaged"
        )
    return value
