"""What is known of an engine, as lines of `inspect`."""

from __future__ import annotations

from .. import console
from ..artifacts.manifest import Manifest, PluginRecord
from ..inspection.engine import EngineInfo
from .model_facts import Facts, model_facts


def engine_facts(info: EngineInfo, verbose: bool) -> Facts:
    """File, origin, machine and shapes."""
    facts: Facts = [
        ("file", info.path),
        ("kind", f"TensorRT engine, {console.size_text(info.size_bytes)}"),
        ("sha256", info.sha256),
    ]
    if info.manifest is not None:
        facts += _manifest_facts(info.manifest, verbose)
    return facts


def _manifest_facts(manifest: Manifest, verbose: bool) -> Facts:
    built = manifest.built_on
    cuda = f", CUDA {built.cuda}" if built.cuda else ""
    plugins = manifest.plugins
    return [
        (
            "built with",
            f"{built.describe()}{cuda}, in {manifest.seconds:.1f} s by yolact-deploy {manifest.tool_version}",
        ),
        ("runs on", manifest.machines),
        ("plugins", "none: the graph's functions" if plugins is None else _plugin_facts(plugins)),
        ("ONNX file", f"{manifest.onnx.name}, sha256 {manifest.onnx.sha256}"),
        *model_facts(manifest.metadata, verbose),
        *(("input", f"{tensor.name}: {tensor.dtype} {tensor.describe()}") for tensor in manifest.inputs),
        *(("output", f"{tensor.name}: {tensor.dtype} {tensor.describe()}") for tensor in manifest.outputs),
        ("rebuild with", manifest.command),
    ]


def _plugin_facts(plugins: PluginRecord) -> str:
    compiled = f" for TensorRT {plugins.tensorrt}" if plugins.tensorrt else ""
    return f"{plugins.name}{compiled}, sources {plugins.source_version or 'unknown'}, sha256 {plugins.sha256}"
