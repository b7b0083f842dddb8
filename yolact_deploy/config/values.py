"""Plain values, as JSON and YAML files hold them, checked against the fields of a frozen dataclass."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..dependencies import require
from ..errors import ConfigError


def checked_fields(cls: type, values: Mapping[str, Any], extra: tuple[str, ...] = ()) -> dict[str, Any]:
    """`values` with lists as tuples, every one a field of dataclass `cls` and of its type; else raises ConfigError.

    `extra`: names that the caller knows besides, for the error.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    checked = {}
    for key, value in values.items():
        if key not in fields:
            raise ConfigError(f"unknown field {key!r}: use {', '.join((*fields, *extra))}")
        value = _as_tuple(value)
        if not _matches(value, str(fields[key].type)):
            raise ConfigError(f"{key}: {value!r} is not of type {fields[key].type}")
        checked[key] = value
    return checked


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, (list, tuple)) else value


def _matches(value: Any, annotation: str) -> bool:
    """Whether `value` has the type that a configuration's field is annotated with."""
    if annotation.startswith("tuple["):
        inner = annotation[len("tuple[") : -len(", ...]")]
        return isinstance(value, tuple) and all(_matches(item, inner) for item in value)
    if annotation == "bool" or isinstance(value, bool):
        return annotation == "bool" and isinstance(value, bool)
    if annotation == "float":
        return isinstance(value, (int, float))
    if annotation == "BackboneConfig":
        return isinstance(value, Mapping)
    return isinstance(value, {"int": int, "str": str}[annotation])


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file or, by its suffix, a YAML file.

    Raises ConfigError when it cannot be read or holds something else, MissingDependencyError for YAML without pyyaml.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read configuration file {path}: {error}") from None
    values = _parse_yaml(path, text) if path.suffix.lower() in (".yaml", ".yml") else _parse_json(path, text)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping of configuration fields at the top")
    return values


def _parse_json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not valid JSON: {error}") from None


def _parse_yaml(path: Path, text: str) -> Any:
    yaml = require("yaml", f"reading {path}")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
