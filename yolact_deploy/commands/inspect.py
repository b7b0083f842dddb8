"""`yolact-deploy inspect FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import console
from ..artifacts.manifest import manifest_path
from ..inspection.engine import EngineInfo
from ..inspection.model_file import CheckpointInfo, OnnxInfo, TensorInfo, inspect_file
from .engine_facts import engine_facts
from .model_facts import Facts, model_facts, names_text, plus_facts, rule_facts
from .options import ClassNames, Config, Family, Json, Verbose, read_class_names, read_config

MAX_OPERATORS = 8
KINDS = {CheckpointInfo: "checkpoint", OnnxInfo: "onnx", EngineInfo: "engine"}


def run(
    file: Annotated[
        Path, typer.Argument(help="Checkpoint (.pth, .pt, .safetensors), .onnx file, or engine (.engine, .plan, .trt).")
    ],
    config: Config = None,
    class_names: ClassNames = None,
    family: Family = None,
    json: Json = None,
    verbose: Verbose = False,
) -> None:
    """Say what a checkpoint, an ONNX file or an engine is. Loads and runs nothing of it."""
    console.check_target(json, [file, manifest_path(file), config, class_names])
    info = inspect_file(file, read_config(config), read_class_names(class_names), family)
    if json is not None:
        console.emit_json({"kind": KINDS[type(info)], "file": info}, json)
    if json == console.STDOUT:
        return
    console.show_facts(_facts(info, verbose))
    if not isinstance(info, CheckpointInfo):  # of a checkpoint, reading it has warned
        for note in info.notes:
            console.say(f"note: {note}")


def _facts(info: CheckpointInfo | OnnxInfo | EngineInfo, verbose: bool) -> Facts:
    if isinstance(info, EngineInfo):
        return engine_facts(info, verbose)
    return _checkpoint_facts(info, verbose) if isinstance(info, CheckpointInfo) else _onnx_facts(info, verbose)


def _checkpoint_facts(info: CheckpointInfo, verbose: bool) -> Facts:
    dropped = ", ".join(info.dropped_keys) if verbose else f"{len(info.dropped_keys)} (inference does not use them)"
    network = "YOLACT++" if info.config.is_plus else "YOLACT"
    return [
        ("file", info.path),
        ("kind", f"{network} checkpoint, {info.file_format} format, {console.size_text(info.size_bytes)}"),
        ("family", info.family),
        ("sha256", info.sha256),
        ("configuration", info.config.name),
        ("backbone", info.backbone),
        *plus_facts(info.config),
        ("input", f"{info.config.image_size} x {info.config.image_size} px"),
        ("classes", names_text(info.config.class_names, verbose)),
        ("prototypes", f"{info.config.num_prototypes} of {info.proto_size} x {info.proto_size} px"),
        ("priors", f"{info.num_priors:,}"),
        *rule_facts(info.postprocess),
        ("parameters", f"{info.parameters:,}"),
        *([("dropped keys", dropped)] if info.dropped_keys else []),
    ]


def _onnx_facts(info: OnnxInfo, verbose: bool) -> Facts:
    opsets = ", ".join(f"{domain} {version}" for domain, version in info.opsets.items())
    return [
        ("file", info.path),
        ("kind", f"ONNX, {console.size_text(info.size_bytes)}, {info.parameters:,} weights"),
        ("sha256", info.sha256),
        *_origin(info, verbose),
        ("opsets", opsets),
        *(("input", _tensor(tensor)) for tensor in info.inputs),
        *(("output", _tensor(tensor)) for tensor in info.outputs),
        *_domain_facts(info),
        ("nodes", _operators(info.operators, verbose)),
    ]


def _origin(info: OnnxInfo, verbose: bool) -> Facts:
    if not info.is_ours:
        return [("made by", f"{info.producer or 'an unknown tool'}; not made by yolact-deploy, which cannot run it")]
    metadata = info.metadata
    if metadata is None:
        return [("made by", "yolact-deploy")]
    return model_facts(metadata, verbose)


def _domain_facts(info: OnnxInfo) -> Facts:
    bodies = {(function.domain, function.name): function.num_nodes for function in info.functions}
    facts: Facts = []
    for node in info.domain_nodes:
        attributes = ", ".join(f"{name}={_short(value)}" for name, value in node.attributes.items())
        body = bodies.get((node.domain, node.operator))
        meaning = f"function of {body} nodes" if body is not None else "no function: needs a plugin"
        facts.append(("domain node", f"{node.domain}.{node.operator}({attributes}), {meaning}"))
    return facts


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _tensor(tensor: TensorInfo) -> str:
    return f"{tensor.name}: {tensor.dtype} [{', '.join(str(size) for size in tensor.shape)}]"


def _operators(operators: dict[str, int], verbose: bool) -> str:
    shown = list(operators.items())[: None if verbose else MAX_OPERATORS]
    more = ", ..." if len(shown) < len(operators) else ""
    return f"{sum(operators.values())}: {', '.join(f'{count} {name}' for name, count in shown)}{more}"
