"""JSON text of strangers -> plain values, with limits, so that no file takes the memory or the stack."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 32  # levels of lists and mappings
MAX_INTEGER = 1 << 63  # numbers of 64 bits


def parse_json(text: str, as_pairs: bool = False) -> Any:
    """The value of a JSON text. as_pairs: objects as tuples of (name, value), so that no name is lost.

    Raises ValueError for bad JSON, and as `check_plain`.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=tuple if as_pairs else None)
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep") from None
    check_plain(value)
    return value


def check_plain(value: Any) -> None:
    """Raises ValueError when it is nested too deep, or holds a number beyond 64 bits or text that is not Unicode."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += [*item.keys(), *item.values()]
            elif isinstance(item, (list, tuple)):
                inner += item
            else:
                _check_scalar(item)
        level = inner
    raise ValueError(f"nested more than {MAX_DEPTH} levels deep")


def _check_scalar(value: Any) -> None:
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError("a text holds half a character (a lone surrogate)") from None
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value < MAX_INTEGER:
            raise ValueError("a number is beyond 64 bits")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is NaN or infinite")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
