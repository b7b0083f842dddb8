"""A look at an ONNX file's structure without the `onnx` package, before a library opens it.

It reads the protobuf wire format (protobuf.dev/programming-guides/encoding) with the field numbers of onnx.proto, and
skips the weights.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ModelFileError
from .quantization import is_quantising

MAX_NESTING = 32  # graphs inside nodes inside graphs
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_MODEL_GRAPH, _MODEL_PROPS, _MODEL_FUNCTIONS = 7, 14, 25
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS = 5, 6, 11
_TENSOR_LOCATION = 14  # its values: 0 in the file, 1 in another
_FUNCTION_NAME, _FUNCTION_NODE, _FUNCTION_DOMAIN = 1, 7, 10

Operator = tuple[str, str]  # domain, "" for ONNX's own; name


@dataclass
class OnnxStructure:
    """What a file's nodes are, and what it says of itself."""

    props: dict[str, str] = field(default_factory=dict)  # its metadata_props
    operators: set[Operator] = field(default_factory=set)  # of nodes outside functions, in subgraphs too
    functions: dict[Operator, set[Operator]] = field(default_factory=dict)  # what the body of each calls
    has_external_data: bool = False  # weights in other files

    @property
    def is_quantised(self) -> bool:
        """Whether any node computes in 8 bits, or turns values into them or back."""
        every = self.operators.union(*self.functions.values())
        return any(is_quantising(name) for _, name in every)


def scan_onnx(path: Path) -> OnnxStructure:
    """Raises ModelFileError when the file is missing, cut off, no ONNX, or a function in it calls itself."""
    if not path.is_file():
        raise ModelFileError(f"no such file: {path}")
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            structure = _Scanner(data).model()
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, IndexError) as error:
        reason = str(error) if path.stat().st_size else "it is empty"  # and cannot be mapped
        raise ModelFileError(f"{path} is not an ONNX file, or truncated ({reason})") from None
    _refuse_recursion(structure.functions, path)
    return structure


class _Scanner:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._found = OnnxStructure()

    def model(self) -> OnnxStructure:
        for number, start, end in self._fields(0, len(self._data)):
            if number == _MODEL_GRAPH:
                self._graph(start, end, self._found.operators, depth=0)
            elif number == _MODEL_PROPS:
                self._entry(start, end)
            elif number == _MODEL_FUNCTIONS:
                self._function(start, end)
        if not self._found.operators:  # any few bytes can pass as a message
            raise ValueError("it holds no graph")
        return self._found

    def _entry(self, start: int, end: int) -> None:
        texts = {number: self._text(first, last) for number, first, last in self._fields(start, end)}
        self._found.props[texts.get(_ENTRY_KEY, "")] = texts.get(_ENTRY_VALUE, "")

    def _function(self, start: int, end: int) -> None:
        name = domain = ""
        called: set[Operator] = set()
        for number, first, last in self._fields(start, end):
            if number == _FUNCTION_NAME:
                name = self._text(first, last)
            elif number == _FUNCTION_DOMAIN:
                domain = self._text(first, last)
            elif number == _FUNCTION_NODE:
                self._node(first, last, called, depth=0)
        self._found.functions.setdefault((domain, name), set()).update(called)

    def _graph(self, start: int, end: int, operators: set[Operator], depth: int) -> None:
        if depth > MAX_NESTING:
            raise ValueError(f"graphs nested more than {MAX_NESTING} levels deep")
        for number, first, last in self._fields(start, end):
            if number == _GRAPH_NODE:
                self._node(first, last, operators, depth)
            elif number == _GRAPH_INITIALIZER:
                self._tensor(first, last)

    def _node(self, start: int, end: int, operators: set[Operator], depth: int) -> None:
        name = domain = ""
        for number, first, last in self._fields(start, end):
            if number == _NODE_OPERATOR:
                name = self._text(first, last)
            elif number == _NODE_DOMAIN:
                domain = self._text(first, last)
            elif number == _NODE_ATTRIBUTE:
                self._attribute(first, last, operators, depth)
        operators.add(("" if domain == "ai.onnx" else domain, name))

    def _attribute(self, start: int, end: int, operators: set[Operator], depth: int) -> None:
        for number, first, last in self._fields(start, end):
            if number in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                self._graph(first, last, operators, depth + 1)
            elif number == _ATTRIBUTE_TENSOR:
                self._tensor(first, last)

    def _tensor(self, start: int, end: int) -> None:
        for number, first, _ in self._fields(start, end, with_numbers=True):
            if number == _TENSOR_LOCATION and self._data[first]:
                self._found.has_external_data = True

    def _text(self, start: int, end: int) -> str:
        return self._data[start:end].decode("utf-8")  # UnicodeDecodeError is a ValueError

    def _fields(self, start: int, end: int, with_numbers: bool = False) -> Iterator[tuple[int, int, int]]:
        """Number, first byte and end of every field that holds bytes; with_numbers: of integers too."""
        while start < end:
            key, start = self._varint(start)
            kind = key & 7
            first = start
            if kind == _VARINT:
                _, start = self._varint(start)
            elif kind == _BYTES:
                length, first = self._varint(start)
                start = first + length
            elif kind in (_FIXED64, _FIXED32):
                start += 8 if kind == _FIXED64 else 4
            else:
                raise ValueError(f"wire type {kind}")
            if start > end:
                raise ValueError("a field reaches beyond its message")
            if kind == _BYTES or (with_numbers and kind == _VARINT):
                yield key >> 3, first, start

    def _varint(self, start: int) -> tuple[int, int]:
        """A number of seven bits per byte, lowest first, and where it ends."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self._data[start]
            start += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, start
        raise ValueError("a number of more than 64 bits")


def _refuse_recursion(functions: dict[Operator, set[Operator]], path: Path) -> None:
    """Raises ModelFileError when following calls leads back: parsers would inline such a function for ever."""
    left = {name: called & functions.keys() for name, called in functions.items()}
    while left:
        leaves = {name for name, called in left.items() if not called}
        if not leaves:
            domain, name = min(left)
            raise ModelFileError(
                f"{path} is refused: its functions call one another in a circle, as {domain}.{name} does"
            )
        left = {name: called - leaves for name, called in left.items() if name not in leaves}
