"""What takes long to make and many tests need: made once per test run, and shared by its workers."""

from __future__ import annotations

import hashlib
import inspect
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
from filelock import FileLock
from torch import nn

from yolact_deploy.config.model import ModelConfig

DONE = ".done"


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """`folder`, filled by `make` in the first process that asks for it; others wait. What is in it is read only."""
    with FileLock(f"{folder}.lock"):
        if not (folder / DONE).exists():
            shutil.rmtree(folder, ignore_errors=True)  # what another worker left when it failed
            folder.mkdir()
            make(folder)
            (folder / DONE).touch()
    return folder


def traced_once(trace: Callable[..., onnx.GraphProto], folder: Path) -> Callable[..., onnx.GraphProto]:
    """`trace`, which makes a graph from modules and plain values, with its results kept below `folder`.

    Tracing takes 9 parts in 10 of an export's time. Everything that is put around the traced graph is made anew.
    """

    def traced(*arguments: Any, **named: Any) -> onnx.GraphProto:
        call = inspect.signature(trace).bind(*arguments, **named)
        call.apply_defaults()
        key = hashlib.sha256(trace.__name__.encode())
        for argument in call.arguments.values():
            _add(key, argument)

        def make(place: Path) -> None:
            (place / "graph.pb").write_bytes(trace(*call.args, **call.kwargs).SerializeToString())

        place = made_once(folder / key.hexdigest()[:32], make)
        return onnx.GraphProto.FromString((place / "graph.pb").read_bytes())

    return traced


def _add(key: hashlib._Hash, argument: object) -> None:
    if isinstance(argument, ModelConfig):  # names are metadata, and change no node
        argument = {name: value for name, value in argument.to_dict().items() if name not in ("name", "class_names")}
    key.update(repr(argument).encode())
    if isinstance(argument, nn.Module):
        _add(key, getattr(argument, "config", None))
        for name, tensor in argument.state_dict().items():
            key.update(name.encode())
            key.update(tensor.contiguous().numpy().tobytes())
