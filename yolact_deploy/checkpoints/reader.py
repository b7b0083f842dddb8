"""Checkpoints, safely: file -> official state dict -> the configuration that it was trained with -> model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch

from ..config.model import ModelConfig
from ..config.postprocess import PostprocessConfig
from ..errors import CheckpointError, warn_assumed
from ..files import sha256_of
from ..models.yolact import Yolact
from .architecture import Architecture
from .configuration import check_structure, find_config, fit_classes, rules_of_others, with_tensors
from .families.recognition import family_of
from .state_dict import read_tensors

_TRAINING_ONLY = ("semantic_seg_conv.", "class_existence_fc.")  # layers of official checkpoints
_MAX_KEYS_SAID = 3


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
        check_structure(found, config, f"{config.name} was asked for", origin)
        notes += rules_of_others(config, origin)
    elif translation.problem:
        raise CheckpointError(f"{path.name}: {translation.problem}: pass --config FILE if you know that it fits")
    elif translation.config is not None:
        config = with_tensors(translation.config, found, origin)
        notes += [f"{translation.assumption}: pass --config to choose"] if translation.assumption else []
        check_structure(found, config, f"{path.name} is of {origin.name}", origin)
    else:
        config = find_config(path, found, origin, notes)
    config = fit_classes(config, found, notes if class_names is None else [], translation.config)
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
