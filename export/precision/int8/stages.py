"""The stages of `compare` as parts of a network: which nodes make each, and how much of the work each is."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import onnx

from yolact_deploy.artifacts.tensor_names import NETWORK_INPUT, RAW_OUTPUTS, pyramid_levels, tensor_stages
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import ConfigError

YOLACT_EDGE = "yolact-edge"  # recipe: int8 backbone and prototype net, the rest in fp16, as YolactEdge ships it
RECIPES = (YOLACT_EDGE,)


def stage_names(config: ModelConfig) -> tuple[str, ...]:
    """The stages that can stay in float."""
    return tuple(name for name in tensor_stages(config) if name != NETWORK_INPUT)


def recipe_stages(recipe: str, config: ModelConfig) -> tuple[str, ...]:
    """The stages that a recipe keeps in float. Raises ConfigError for an unknown one."""
    if recipe not in RECIPES:
        raise ConfigError(f"unknown recipe {recipe!r}: use {', '.join(RECIPES)}")
    return (*pyramid_levels(config), *(name for name in RAW_OUTPUTS if name != "proto"))


def check_stages(kept: Sequence[str], config: ModelConfig) -> tuple[str, ...]:
    """`kept` without repetitions, in the order of the stages.

    Raises ConfigError for a name that is none, and when nothing is left for int8.
    """
    known = stage_names(config)
    unknown = [name for name in kept if name not in known]
    if unknown:
        raise ConfigError(f"unknown stage {unknown[0]!r}: use {', '.join(known)}")
    if set(kept) == set(known):
        raise ConfigError("every stage is kept in float, and nothing is left for int8: keep fewer")
    return tuple(name for name in known if name in kept)


def nodes_of_stages(network: onnx.ModelProto, config: ModelConfig) -> dict[str, set[str]]:
    """Stage -> names of the nodes that it needs and no smaller stage does.

    So the FPN's lateral layers belong to the level that they end in, and what the heads share to the first of them.
    """
    graph = network.graph
    writers = {name: node for node in graph.node for name in node.output if name}
    known = [name for name in stage_names(config) if name in writers]
    ancestry = {stage: _ancestry(stage, writers) for stage in known}
    taken: set[str] = set()
    parts = {}
    for stage in sorted(known, key=lambda name: len(ancestry[name])):
        parts[stage] = ancestry[stage] - taken
        taken |= ancestry[stage]
    return {stage: parts[stage] for stage in known}


def work_of_stages(network: onnx.ModelProto, parts: dict[str, set[str]]) -> dict[str, float]:
    """Stage -> its share of the multiplications of all convolutions, 0..1.

    The kernel of a transposed one is at each position of its input, not of its output.
    """
    graph = onnx.shape_inference.infer_shapes(network).graph
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    weights = {tensor.name: prod(tensor.dims) for tensor in graph.initializer}
    work = {
        node.name: weights.get(node.input[1], 0) * prod(shapes.get(place, [0])[2:])
        for node in graph.node
        for place in {"Conv": node.output[:1], "ConvTranspose": node.input[:1]}.get(node.op_type, [])
    }
    total = sum(work.values()) or 1
    return {stage: sum(work.get(name, 0) for name in names) / total for stage, names in parts.items()}


def _ancestry(tensor: str, writers: dict[str, onnx.NodeProto]) -> set[str]:
    """Names of all nodes that `tensor` comes from."""
    pending, found = [tensor], set[str]()
    while pending:
        node = writers.get(pending.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            pending += node.input
    return found
