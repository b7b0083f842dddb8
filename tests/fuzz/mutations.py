"""Strategies that change what is right a little: plain values by their structure, files byte by byte."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

MAX_CHANGES = 3


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


HARD_NUMBERS = (0, -1, 1, 7, 255, 2**31, 2**32, 2**63, 10**11, 10**18, 10**400, 0.5, 1e-300, 1e308)
HARD_FLOATS = (float("nan"), float("inf"), float("-inf"))
HARD_TEXTS = ("", " ", "a", "\x00", "\x1b[31m", "\ud800", "\u202e", "..", "/", "-x", "x" * 5000, "9" * 400, "NaN", "é")
HARD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(HARD_NUMBERS),
    st.sampled_from(HARD_FLOATS),
    st.sampled_from(HARD_TEXTS),
    st.sampled_from([[], {}, [[]], [None], {"a": 1}, [1, 2, 3], [1e308] * 4, _nested(40), _nested(400)]),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside mappings and lists, the outermost excluded."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, item in inner:
        found += [(*path, key), *places(item, (*path, key))]
    return found


@st.composite
def plain_values(draw: st.DrawFn, base: Any) -> Any:
    """`base` with up to MAX_CHANGES of its values replaced, removed, repeated or renamed."""
    value = copy.deepcopy(base)
    for _ in range(draw(st.integers(0, MAX_CHANGES))):
        every = places(value)
        if not every:
            return value
        *path, last = draw(st.sampled_from(every))
        parent = value
        for key in path:
            parent = parent[key]
        change = draw(st.sampled_from(("replace", "replace", "remove", "repeat", "rename")))
        if change == "replace":
            parent[last] = copy.deepcopy(draw(HARD_VALUES))  # a later change may reach into it
        elif change == "remove":
            del parent[last]
        elif isinstance(parent, list):
            parent.insert(0, copy.deepcopy(parent[last]))
        elif change == "rename":
            parent[draw(st.sampled_from(HARD_TEXTS))] = parent.pop(last)
        else:
            parent[last] = [parent[last]] * 3
    return value


def json_files(base: Any) -> st.SearchStrategy[bytes]:
    """Texts of `plain_values`, one in some with damaged bytes as well."""
    texts = plain_values(base).map(lambda value: json.dumps(value, ensure_ascii=True).encode())
    return st.one_of(texts, texts, texts, texts.flatmap(damaged))


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """`data` with some bytes changed, cut off, inserted or repeated."""
    result = bytearray(data)
    for _ in range(draw(st.integers(0, MAX_CHANGES))):
        position = draw(st.integers(0, max(len(result) - 1, 0)))
        change = draw(st.sampled_from(("flip", "flip", "cut", "insert", "repeat")))
        if change == "flip" and result:
            result[position] ^= draw(st.integers(1, 255))
        elif change == "cut":
            del result[position:]
        elif change == "insert":
            result[position:position] = draw(st.binary(min_size=1, max_size=8))
        else:
            result[position:position] = result[position : position + draw(st.integers(1, 64))]
    return bytes(result)
