"""Weight files -> tensors by key, never running code from them."""

from __future__ import annotations

import contextlib
import itertools
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..dependencies import require
from ..errors import CheckpointError
from .archive import check_file
from .inert import HISTORY_BUFFER, inert_objects

MAX_TENSORS = 20_000
_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")  # what training scripts put around it
_MAX_WRAPPERS = 4  # inside one another
_OWN_ROOT = "flow_net"  # a name that says what a file is, even where all keys share it
_INTEGERS = ("num_batches_tracked", "relative_position_index")  # of batch norm, of Swin


@dataclass(frozen=True)
class Stored:
    """What a weights file holds."""

    tensors: dict[str, torch.Tensor]
    file_format: str  # "zip", "legacy" (torch before 1.6) or "safetensors"
    meta: Mapping[str, Any]  # what OpenMMLab's code says of the weights beside them, of strangers; empty: nothing


def read_tensors(path: Path) -> Stored:
    """The tensors of a .pth or .safetensors file on the CPU, as they are stored, and what stands beside them.

    Wrappers such as `{"state_dict": ...}`, values that are no tensors beside the weights and a prefix that all keys
    share (`module.`) are taken off.

    Raises CheckpointError with the reason when it cannot be read, or holds what no float weights are.
    """
    if path.suffix.lower() == ".safetensors":
        content, file_format = _read_safetensors(path), "safetensors"
    else:
        file_format = check_file(path)
        content = _read_pickle(path)
    tensors = _without_common_prefix(_unwrap(content, path))
    for key, tensor in tensors.items():
        _check_kind(key, tensor, path)
    meta = content.get("meta") if isinstance(content, Mapping) else None
    return Stored(tensors, file_format, meta if isinstance(meta, Mapping) else {})


def _read_safetensors(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"cannot read checkpoint {path}: {'Is a directory' if path.is_dir() else 'No such file'}")
    safetensors = require("safetensors", f"reading {path.name}")
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as error:  # KeyError: a type of a newer format
        raise CheckpointError(f"{path} is not a readable .safetensors file ({error}): copy it again") from None


def _read_pickle(path: Path, skips_history: bool = False) -> Any:
    """The content of a checkpoint; `skips_history`: with stand-ins for mmengine's training history."""
    try:
        with inert_objects() if skips_history else contextlib.nullcontext():
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError, KeyError and more on bad bytes
        found = (
            re.search(r"(?:GLOBAL|global) ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        )
        if found is not None and found[1] == HISTORY_BUFFER and not skips_history:
            return _read_pickle(path, skips_history=True)
        if found is None:
            raise CheckpointError(f"{path} is damaged or cut off: download or copy it again") from None
        raise CheckpointError(
            f"{path} is refused: besides tensors it holds {found[1]}, and loading that could run code; "
            "where you trust the file, load it yourself and save only torch.save(model.state_dict(), ...)"
        ) from None


def _unwrap(content: Any, path: Path) -> dict[str, torch.Tensor]:
    """The tensors of the state dict in `content`."""
    for _ in range(_MAX_WRAPPERS):
        if not isinstance(content, Mapping):
            raise CheckpointError(f"{path} holds a {type(content).__name__}, not a state dict: save model.state_dict()")
        tensors = {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}
        inner = {key: value for key, value in content.items() if isinstance(value, Mapping) and value}
        named = [name for name in _WRAPPERS if name in inner]
        if named:
            content = inner[named[0]]
        elif tensors:
            return _checked_keys(tensors, path)
        else:
            holding = [value for value in inner.values() if _holds_tensors(value)]
            if len(holding) != 1:
                break
            content = holding[0]
    raise CheckpointError(f"{path} holds no state dict of tensors: save model.state_dict()")


def _holds_tensors(content: Mapping[Any, Any]) -> bool:
    return any(isinstance(value, torch.Tensor) for value in content.values())


def _checked_keys(tensors: dict[Any, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    if len(tensors) > MAX_TENSORS:
        raise CheckpointError(f"{path} is refused: {len(tensors)} tensors, more than {MAX_TENSORS}")
    if not all(isinstance(key, str) for key in tensors):
        raise CheckpointError(f"{path} holds tensors without names: save model.state_dict()")
    return tensors


def _without_common_prefix(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Without what all keys start with, such as `module.` of DataParallel; a network has several roots of its own."""
    if len(tensors) < 2:
        return tensors
    first, last = min(tensors).split("."), max(tensors).split(".")  # what these two share, all share
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1] != _OWN_ROOT, zip(first, last, strict=False))
    shared = sum(1 for _ in pairs)
    return {key.split(".", shared)[-1]: value for key, value in tensors.items()}


def _check_kind(key: str, tensor: torch.Tensor, path: Path) -> None:
    """Raises CheckpointError for a tensor that holds no plain float weights."""
    kinds = {
        "a nested tensor": tensor.is_nested,
        "a quantised tensor": tensor.is_quantized,
        "a sparse tensor": tensor.layout != torch.strided,
        "a tensor without values (of the meta device)": tensor.is_meta,
        str(tensor.dtype): tensor.dtype not in _FLOATS and not (key.endswith(_INTEGERS) and _is_integer(tensor)),
    }
    for kind, is_it in kinds.items():
        if is_it:
            raise CheckpointError(f"{path}: {key} is {kind}: save the model's weights as float32 or float16")


def _is_integer(tensor: torch.Tensor) -> bool:
    return not tensor.is_floating_point() and not tensor.is_complex()
