"""The command that builds an engine again, from the options in its manifest."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Options of the build in a manifest -> those of `build-engine`; where the plugin library lies is not among them.
_REBUILD_OPTIONS = {
    "runtime": "--runtime",
    "precision": "--precision",
    "fp16": "--fp16",
    "method": "--method",
    "calibration": "--calibration",
    "images": "--images",
    "statistics": "--statistics",
    "keep": "--keep",
    "recipe": "--recipe",
    "min_size": "--min",
    "opt_size": "--opt",
    "max_size": "--max",
    "batch": "--batch",
    "workspace_bytes": "--workspace",
    "optimization_level": "--optimization-level",
    "hardware_compatibility": "--hardware-compatibility",
    "dla_core": "--dla",
    "compute_capabilities": "--compute-capability",
    "tf32": "--tf32",
    "version_compatible": "--version-compatible",
    "debug_outputs": "--debug-outputs",
}
_DEFAULTS = ("auto", "none")  # of these options


def build_command(onnx: str, engine: str, options: Mapping[str, Any], has_no_plugins: bool) -> str:
    """Of checked values alone: nobody's text comes back as advice. onnx, engine: names of the files; has_no_plugins:
    the engine was built without them where it could have had them."""
    words = ["yolact-deploy", "build-engine", _file_word(onnx), "-o", _file_word(engine)]
    if has_no_plugins:
        words += ["--plugins", "none"]
    for name, option in _REBUILD_OPTIONS.items():
        value = options.get(name)
        if value is True:
            words.append(option)
        elif isinstance(value, list) and name == "compute_capabilities":
            words += [word for item in value if _is_plain(item) for word in (option, str(item))]
        elif isinstance(value, list) and all(_is_plain(item) for item in value):
            words += [option, ",".join(map(str, value))]
        elif _is_plain(value):
            words += [option, str(value)]
    return shlex.join([*words, "--force"])


def _file_word(name: str) -> str:
    """A file's own name, which no command line takes for an option."""
    return re.sub(r"^-", "./-", Path(name).name)


def _is_plain(value: object) -> bool:
    """Whether an option's value is a number or a short word other than the default."""
    if isinstance(value, bool) or not isinstance(value, (int, str)) or value in _DEFAULTS:
        return False
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,39}", str(value)) is not None
