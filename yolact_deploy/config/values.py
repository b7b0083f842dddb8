"""Plain values, as JSON and YAML files hold them, checked against the fields of a frozen dataclass."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..dependencies import require
from ..errors import ConfigError
from .layers import Layer
from .plain_values import MAX_DEPTH, MAX_INTEGER, check_plain, parse_json

MAX_FILE_BYTES = 1 << 18  # 256 KiB of configuration; the class names of LVIS take 20 kB
_UNION = " | "


def checked_fields(cls: type, values: Mapping[str, Any], extra: tuple[str, ...] = ()) -> dict[str, Any]:
    """`values` with lists as tuples, every one a field of dataclass `cls` and of its type; else raises ConfigError.

    `extra`: names that the caller knows besides, for the error.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{reprlib.repr(values)} is no mapping of field names to values")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    checked = {}
    for key, value in values.items():
        if key not in fields:
            raise ConfigError(f"unknown field {reprlib.repr(key)}: use {', '.join((*fields, *extra))}")
        value = _as_tuple(value)
        if not _matches(value, str(fields[key].type)):
            kind = str(fields[key].type).replace("float", "finite float")
            raise ConfigError(f"{key}: {reprlib.repr(value)} is not of type {kind}")
        checked[key] = value
    return checked


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, (list, tuple)) else value


def _matches(value: Any, annotation: str) -> bool:
    """Whether `value` has the type that a field is annotated with."""
    if _UNION in annotation:
        return any(_matches(value, part) for part in annotation.split(_UNION))
    if annotation == "None" or value is None:
        return annotation == "None" and value is None
    if annotation.startswith("tuple["):
        inner = annotation[len("tuple[") : -len(", ...]")]
        return isinstance(value, tuple) and all(_matches(item, inner) for item in value)
    if annotation == "bool" or isinstance(value, bool):
        return annotation == "bool" and isinstance(value, bool)
    if annotation == "float":
        return isinstance(value, (int, float)) and -MAX_INTEGER <= value <= MAX_INTEGER  # NaN is not
    if annotation == "BackboneConfig":
        return isinstance(value, Mapping)
    return isinstance(value, {"int": int, "str": str, "Layer": Layer}[annotation])


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file or, by its suffix, a YAML file.

    Raises ConfigError when it cannot be read, is beyond a limit or holds something else, MissingDependencyError for
    YAML without pyyaml.
    """
    text = read_text(path, "configuration file")
    is_yaml = path.suffix.lower() in (".yaml", ".yml")
    try:
        values = _parse_yaml(path, text) if is_yaml else parse_json(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not valid {'YAML' if is_yaml else 'JSON'}: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping of configuration fields at the top")
    return values


def read_text(path: Path, what: str) -> str:
    """The text of a small file of ours. Raises ConfigError when it cannot be read or has more than MAX_FILE_BYTES."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) <= MAX_FILE_BYTES:
            return data.decode("utf-8-sig")
        reason = f"more than {MAX_FILE_BYTES} bytes"
    except OSError as error:
        reason = error.strerror or str(error)
    except ValueError as error:  # no UTF-8, or a path with a zero byte
        reason = str(error)
    raise ConfigError(f"cannot read {what} {path}: {reason}")


def _parse_yaml(path: Path, text: str) -> Any:
    """Raises ValueError. Aliases are refused: a few lines of them can stand for more than any memory holds."""
    yaml = require("yaml", f"reading {path}")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError("aliases (*name) are not read: write the values out")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:  # where the parser's time grows with the depth
                raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:  # its constructors check little
        raise ValueError(f"{type(error).__name__}: {error}") from None
    check_plain(values)
    return values
