"""Operators, named so that those of two models can be paired.

A layer with weights is named by its weights, whatever file it is in. Any other operator is named by its kind and by
what it reads, back to the nearest layers with weights: the Resize of what `fpn.lat_layers.0` gives, and so on. What
only moves or rounds values (Transpose, Cast, QuantizeLinear) has no name and no part in one.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..artifacts.tensor_names import BACKBONE_STAGES

HEAD = "prediction_layers.0."  # the layers that all FPN levels share
OFFSETS = ".conv_offset_mask"  # the layer that says where a deformable convolution reads
COMMUTATIVE = ("Add", "Mul")


@dataclass(frozen=True)
class Operator:
    """One operator of a model."""

    key: str  # equal in two models when both compute the tensor by the same operators
    label: str  # for people
    inputs: tuple[str, ...]  # keys of the operators and model inputs that it reads
    anchor: str  # label of the nearest layer with weights, this one or before it; empty before the first
    node: str = ""  # its name in an ONNX file

    @property
    def is_layer(self) -> bool:
        """Whether it has weights."""
        return self.label == self.anchor


@dataclass
class Structure:
    """The operators of a model in the order in which they run, and which of them gives which stage."""

    operators: dict[str, Operator] = field(default_factory=dict)  # by key
    stages: dict[str, str] = field(default_factory=dict)  # name -> key

    def inside(self, stage: str, earlier: Iterable[str]) -> list[Operator]:
        """The operators that `stage` needs and no stage of `earlier` does, in order."""
        done = self._ancestry(self.stages[name] for name in earlier if name in self.stages)
        wanted = self._ancestry([self.stages[stage]]) - done
        return [operator for key, operator in self.operators.items() if key in wanted]

    def with_whole_layers(self, other: Structure) -> Structure:
        """Without the operators inside deformable convolutions that `other` does not have inside the same ones.

        A layer that is one node in a file (DeformConv) is one operator then where it is written out, too.
        """
        others = other._inside_layers()
        hidden = {
            key for layer, keys in self._inside_layers().items() if keys != others.get(layer, set()) for key in keys
        }
        kept = {
            key: replace(operator, inputs=tuple(dict.fromkeys(self._shown(operator.inputs, hidden))))
            for key, operator in self.operators.items()
            if key not in hidden
        }
        return Structure(kept, self.stages)

    def _inside_layers(self) -> dict[str, set[str]]:
        """By label of a deformable convolution: keys of the operators between its offsets and its product."""
        owners, pending, found = dict[str, str](), dict[str, set[str]](), dict[str, set[str]]()
        for key, operator in self.operators.items():
            owner = next((owners[name] for name in operator.inputs if name in owners), "")
            if operator.label.endswith(OFFSETS) and operator.is_layer:
                owners[key] = operator.label.removesuffix(OFFSETS)
                pending[owners[key]] = set()
            elif owner and operator.label == owner:
                found[owner] = pending[owner]
            elif owner and not operator.is_layer:
                owners[key] = owner
                pending[owner].add(key)
        return found

    def _shown(self, keys: Iterable[str], hidden: set[str]) -> Iterator[str]:
        """`keys`, with what a hidden operator reads in its place."""
        for key in keys:
            if key in hidden:
                yield from self._shown(self.operators[key].inputs, hidden)
            else:
                yield key

    def _ancestry(self, keys: Iterable[str]) -> set[str]:
        pending, found = list(keys), set[str]()
        while pending:
            key = pending.pop()
            if key not in found:
                found.add(key)
                pending += self.operators[key].inputs if key in self.operators else ()
        return found


class Namer:
    """Names operators, which it is told in the order in which they run."""

    def __init__(self, levels: Sequence[str]) -> None:
        """levels: names of the FPN's levels, finest first."""
        count = len(BACKBONE_STAGES)
        makers = [f"fpn.pred_layers.{index}" for index in reversed(range(count))]  # the deepest level's comes first
        makers += [f"fpn.downsample_layers.{index}" for index in range(len(levels) - count)]
        self._made = dict(zip(makers, levels, strict=False))  # module -> level
        self._level: dict[str, str] = {}  # by key: the level that an operator makes, or reads first
        self._calls: Counter[str] = Counter()

    def layer(self, weight: str, inputs: Sequence[str], node: str = "") -> Operator:
        """A layer, by the name of its weights in a checkpoint or a file."""
        module = module_name(weight)
        # Not by the order of calls: a quantiser writes the nodes of a file in another one.
        level = self._made.get(module) or self._level_of(inputs)
        label = f"Conv {module}{f' on {level}' if level and module.startswith(HEAD) else ''}"
        key = f"{label}#{self._calls[label]}"
        self._calls[label] += 1
        self._level[key] = level
        return Operator(key, label, tuple(inputs), label, node)

    def operator(self, kind: str, inputs: Sequence[str], known: Mapping[str, Operator], node: str = "") -> Operator:
        """An operator without weights that reads `inputs`, keys; `known`: the operators so far."""
        ordered = sorted(inputs) if kind in COMMUTATIVE else inputs
        key = hashlib.sha1(f"{kind}({','.join(ordered)})".encode(), usedforsecurity=False).hexdigest()
        anchor = next((known[name].anchor for name in inputs if name in known and known[name].anchor), "")
        self._level[key] = self._level_of(inputs)
        return Operator(key, f"{kind} after {anchor}" if anchor else kind, tuple(inputs), anchor, node)

    def _level_of(self, inputs: Sequence[str]) -> str:
        """Of the first input that has one; empty where none has."""
        return next((self._level[name] for name in inputs if self._level.get(name)), "")


def module_name(weight: str) -> str:
    """`model.fpn.lat_layers.0.weight_quantized` and the like -> `fpn.lat_layers.0`."""
    name = re.sub(r"_(quantized|DequantizeLinear_Output)$", "", weight)
    name = re.sub(r"^model\.|/(fp16|bf16)$", "", name).removesuffix(".weight")
    return name.removesuffix(".layer").replace(".layer.", ".")  # the exporter's stand-ins for deformable convolutions
