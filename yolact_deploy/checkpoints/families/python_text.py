"""Configuration as Python text -> plain values, read as a syntax tree: nothing of it runs."""

from __future__ import annotations

import ast
import contextlib
import warnings
from typing import Any

MAX_TEXT = 1 << 20  # characters; mmdetection's whole configurations take 10,000
MAX_DEPTH = 64  # levels of values within one another


class _UnknownError(Exception):
    """An expression that is no plain value."""


def assigned_values(text: str) -> dict[str, Any]:
    """What the text's top level assigns to names: numbers, texts, lists, tuples, and mappings, also as `dict(a=1)`.

    Names that were assigned before are looked up. What is any other expression is left out, also within a list (None in
    its place) or a mapping. Raises ValueError for what is no Python.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f"more than {MAX_TEXT} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in texts
            tree = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(str(error) or "nested too deep") from None
    values: dict[str, Any] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name):
                values.pop(target.id, None)
                _put(values, target.id, statement.value, values, MAX_DEPTH)
    return values


def _put(mapping: dict[Any, Any], key: Any, node: ast.expr, names: dict[str, Any], depth: int) -> None:
    with contextlib.suppress(_UnknownError):
        mapping[key] = _value(node, names, depth)


def _value(node: ast.expr, names: dict[str, Any], depth: int) -> Any:
    if depth == 0:
        raise _UnknownError
    if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float, str, type(None))):
        return node.value
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _value(node.operand, names, depth - 1)
        if isinstance(value, (int, float)):
            return -value
    if isinstance(node, (ast.List, ast.Tuple)):
        items: dict[int, Any] = {}
        for index, item in enumerate(node.elts):
            _put(items, index, item, names, depth - 1)
        values = [items.get(index) for index in range(len(node.elts))]
        return values if isinstance(node, ast.List) else tuple(values)
    if isinstance(node, ast.Dict):
        pairs = [
            (key.value, value)
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        ]
        return _mapping(pairs, names, depth)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return _mapping([(word.arg, word.value) for word in node.keywords if word.arg], names, depth)
    if isinstance(node, ast.Subscript):
        return _item(_value(node.value, names, depth - 1), _value(node.slice, names, depth - 1))
    raise _UnknownError


def _mapping(pairs: list[tuple[str, ast.expr]], names: dict[str, Any], depth: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, node in pairs:
        _put(values, key, node, names, depth - 1)
    return values


def _item(container: Any, key: Any) -> Any:
    try:
        return container[key]
    except (TypeError, LookupError):
        raise _UnknownError from None
