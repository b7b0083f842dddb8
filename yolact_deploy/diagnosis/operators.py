"""Operators, named so that those of two models can be paired.

A layer with weights is named by its weights, whatever file it is in. Any other operator is named by its kind and by
what it reads, back to the nearest layers with weights: the Resize of what `fpn.lat_layers.0` gives, and so on. What
only moves or rounds values (Transpose, Cast, QuantizeLinear) has no name and no part in one.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

HEAD = "prediction_layers.0."  # the layers that all FPN levels share, in the levels' order
COMMUTATIVE = ("Add", "Mul")


@dataclass(frozen=True)
class Operator:
    """One operator of a model."""

    key: str  # equal in two models when both compute the tensor by the same operators
    label: str  # for people
    inputs: tuple[str, ...]  # keys of the operators and model inputs that it reads
    anchor: str  # label of the nearest layer with weights, this one or before it; empty before the first
    node: str = ""  # its name in an ONNX file


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
        self._levels = levels
        self._calls: Counter[str] = Counter()

    def layer(self, weight: str, inputs: Sequence[str], node: str = "") -> Operator:
        """A layer, by the name of its weights in a checkpoint or a file."""
        module = module_name(weight)
        call = self._calls[module]
        self._calls[module] += 1
        where = f" on {self._levels[call]}" if module.startswith(HEAD) and call < len(self._levels) else ""
        label = f"Conv {module}{where}"
        return Operator(f"Conv {module}#{call}", label, tuple(inputs), label, node)

    def operator(self, kind: str, inputs: Sequence[str], known: Mapping[str, Operator], node: str = "") -> Operator:
        """An operator without weights that reads `inputs`, keys; `known`: the operators so far."""
        ordered = sorted(inputs) if kind in COMMUTATIVE else inputs
        key = hashlib.sha1(f"{kind}({','.join(ordered)})".encode(), usedforsecurity=False).hexdigest()
        anchor = next((known[name].anchor for name in inputs if name in known and known[name].anchor), "")
        return Operator(key, f"{kind} after {anchor}" if anchor else kind, tuple(inputs), anchor, node)


def module_name(weight: str) -> str:
    """`model.fpn.lat_layers.0.weight_quantized` and the like -> `fpn.lat_layers.0`."""
    name = re.sub(r"_(quantized|DequantizeLinear_Output)$", "", weight)
    name = re.sub(r"^model\.|/(fp16|bf16)$", "", name).removesuffix(".weight")
    return name.removesuffix(".layer").replace(".layer.", ".")  # the exporter's stand-ins for deformable convolutions
