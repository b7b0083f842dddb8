"""Weight files -> tensors by key, never running code from them."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..dependencies import require
from ..errors import CheckpointError

_ZIP_MAGIC = b"PK\x03\x04"
_PICKLE_MARK = b"\x80"
_LEGACY_MAGIC = b"\x80\x02"  # torch has always written pickle protocol 2
_WRAPPERS = ("state_dict", "model_state_dict", "model")  # what training scripts put around a state dict


def read_state_dict(path: Path) -> tuple[dict[str, torch.Tensor], str]:
    """The tensors of a .pth or .safetensors file on the CPU, floats as float32, and the file's format.

    Wrappers such as `{"state_dict": ...}` and the `module.` prefix of DataParallel are taken off. Formats: "zip",
    "legacy" (torch before 1.6), "safetensors". Raises CheckpointError with the reason when it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            magic = file.read(len(_ZIP_MAGIC))
    except OSError as error:
        raise CheckpointError(f"cannot read checkpoint {path}: {error.strerror or error}") from None
    if not magic:
        raise CheckpointError(f"{path} is empty: download or copy the checkpoint again")
    if path.suffix.lower() == ".safetensors":
        content, file_format = _read_safetensors(path), "safetensors"
    else:
        content, file_format = _read_pickle(path, magic), "zip" if magic == _ZIP_MAGIC else "legacy"
    return _clean(content, path), file_format


def _read_safetensors(path: Path) -> Any:
    safetensors = require("safetensors", f"reading {path.name}")
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a readable .safetensors file ({error}): copy it again") from None


def _read_pickle(path: Path, magic: bytes) -> Any:
    if magic[:1] == _PICKLE_MARK and magic[:2] != _LEGACY_MAGIC:
        raise CheckpointError(
            f"{path} is refused: a plain pickle could run code; save it with torch.save(state_dict, ...)"
        )
    if magic[:2] != _LEGACY_MAGIC and magic != _ZIP_MAGIC:
        raise CheckpointError(f"{path} is not a PyTorch checkpoint: download or copy it again")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError, KeyError and more on bad bytes
        found = (
            re.search(r"(?:GLOBAL|global) ([\w.]+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        )
        if found is None:
            raise CheckpointError(f"{path} is damaged or cut off: download or copy it again") from None
        raise CheckpointError(
            f"{path} is refused: besides tensors it holds {found[1]}, and loading that could run code; "
            "where you trust the file, load it yourself and save only torch.save(model.state_dict(), ...)"
        ) from None


def _clean(content: Any, path: Path) -> dict[str, torch.Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a state dict: save model.state_dict()")
    tensors = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
    if not tensors or len(tensors) < len(content):
        raise CheckpointError(f"{path} holds no state dict of tensors: save model.state_dict()")
    if all(key.startswith("module.") for key in tensors):
        tensors = {key.removeprefix("module."): value for key, value in tensors.items()}
    return {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}
