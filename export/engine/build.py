"""`yolact-deploy build-engine`: ONNX -> engine and its manifest, with TensorRT 10.3 to 11.x or TensorRT for RTX."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from yolact_deploy._version import __version__
from yolact_deploy.artifacts.kinds import ENGINE_SUFFIXES
from yolact_deploy.artifacts.manifest import FileRecord, Manifest, PluginRecord, manifest_path
from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.artifacts.outputs import output_names
from yolact_deploy.artifacts.quantization import TENSORRT_LAYOUT, layout_of
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.dependencies import BUILD_COMMAND, require
from yolact_deploy.errors import ModelFileError, YolactDeployError
from yolact_deploy.export.engine.build_monitor import BuildListener, SilentListener
from yolact_deploy.export.engine.options import EngineOptions
from yolact_deploy.export.engine.plugin_limits import beyond_plugins
from yolact_deploy.export.steps import check_build
from yolact_deploy.files import atomic_path, check_output_path, check_outputs, sha256_of
from yolact_deploy.machine import GpuInfo, Machine, gpu_from_driver, jetpack_version
from yolact_deploy.trt.cuda import open_backend
from yolact_deploy.trt.engine_plugins import places
from yolact_deploy.trt.library import TensorRTLibrary, load_tensorrt
from yolact_deploy.trt.plugin_library import find_library, read_origin
from yolact_deploy.trt.plugin_registry import load_plugins
from yolact_deploy.types import Advance

if TYPE_CHECKING:
    import onnx


_INLINED = "was exported with --inline, so plugins have nothing to attach to"


@dataclass(frozen=True)
class EngineResult:
    """What was written."""

    path: Path
    manifest: Manifest
    size_bytes: int
    notes: tuple[str, ...]  # what did not go as well as it could


def build_engine(source: Path, options: EngineOptions, listener: BuildListener | None = None) -> EngineResult:
    """Build an engine from an exported ONNX file and write it, and its manifest beside it, whole or not at all.

    listener: hears of the build's phases. Ctrl-C ends the build at its next step, and nothing is kept.

    Raises YolactDeployError, before the build wherever that can be known: for options that the library does not
    have, a file that is not ours or that the parser refuses, outputs that exist or cannot be written.
    """
    start = time.perf_counter()
    output = _check_outputs(source, options)
    library = load_tensorrt(options.runtime)
    options.check_supported(library)
    require("onnx", "building an engine")
    from yolact_deploy.export.engine.builder import (  # these need onnx
        build_plan,
        input_range,
        output_ranges,
        parse_network,
    )

    machine = describe_machine(library)
    gpu = None if machine.gpu is None else GpuInfo(machine.gpu, machine.compute_capability or "")
    prepared = _prepare(source, options, library, gpu, listener or SilentListener())
    metadata = prepared.metadata
    parsed = parse_network(library, prepared.graph, source, output_names(metadata.config))
    prepared = replace(prepared, graph=b"")  # 100 MB and more that the build could use
    shapes = input_range(parsed, options)
    plan = build_plan(parsed, options, shapes, gpu, listener or SilentListener())
    manifest = Manifest(
        metadata=metadata,
        engine=FileRecord(output.name, hashlib.sha256(plan.data).hexdigest()),
        onnx=FileRecord(source.name, prepared.digest),
        plugins=prepared.plugins,
        built_on=machine,
        compute_capabilities=options.compute_capabilities,
        version_compatible=options.version_compatible,
        hardware_compatibility=options.hardware_compatibility,
        inputs=(shapes,),
        outputs=output_ranges(parsed, shapes),
        options=options.to_dict(),
        seconds=round(time.perf_counter() - start, 2),
        tool_version=__version__,
    )
    _write(output, plan.data, manifest)
    return EngineResult(
        output, manifest, plan.data.nbytes, (*plan.notes, *_runtime_notes(library, options), *prepared.notes)
    )


@dataclass(frozen=True)
class _Prepared:
    """What goes to the parser, and what is known of it."""

    graph: bytes
    metadata: ModelMetadata
    digest: str  # SHA-256 of the file
    plugins: PluginRecord | None  # the plugin library that is loaded
    notes: tuple[str, ...]


def _prepare(
    source: Path, options: EngineOptions, library: TensorRTLibrary, gpu: GpuInfo | None, listener: BuildListener
) -> _Prepared:
    """The graph in the precision that is asked for, with plugins or functions behind its nodes."""
    model, metadata, digest = _read(source, options, listener)
    _prepare_deform_conv(library, metadata, source)
    if options.debug_outputs:
        from yolact_deploy.export.engine.debug_outputs import add_debug_outputs

        add_debug_outputs(model, metadata.config, source)
    plugins: PluginRecord | None = None
    obstacle = _obstacle(model, metadata.config)
    if not obstacle:
        plugins = _load_plugins(library, _plugin_path(library, options, gpu))
        notes = _plugin_notes(library, options, plugins)
    elif options.plugin_library is not None:
        advice = "leave out --plugins, or export it without --inline" if obstacle == _INLINED else "leave out --plugins"
        raise ModelFileError(f"{source} {obstacle}: {advice}")
    else:
        notes = () if library.is_rtx else (f"{source} {obstacle}",)
    if plugins is not None:
        _leave_to_plugins(model)
    return _Prepared(model.SerializeToString(), metadata, digest, plugins, notes)


def describe_machine(library: TensorRTLibrary) -> Machine:
    """This machine as the manifest records it. TensorRT for RTX also builds where there is no GPU."""
    cuda, gpu = None, None
    try:
        backend = open_backend()
    except YolactDeployError:
        gpu = gpu_from_driver()
    else:
        cuda, gpu = backend.cuda_version, backend.gpu
        backend.close()
    return Machine(
        runtime=library.runtime,
        version=library.version,
        cuda=cuda,
        gpu=gpu.name if gpu else None,
        compute_capability=gpu.compute_capability if gpu else None,
        jetpack=jetpack_version(),
    )


def _check_outputs(source: Path, options: EngineOptions) -> Path:
    """Both files can be written, and the source can become an engine; raises YolactDeployError."""
    check_build(source, options.output)
    if options.output.suffix.lower() not in ENGINE_SUFFIXES:
        raise YolactDeployError(f"{options.output}: an engine's name ends in {', '.join(ENGINE_SUFFIXES)}")
    outputs, inputs = [options.output, manifest_path(options.output), options.timing_cache], [source, options.plugins]
    check = check_outputs if options.int8 is None else options.int8.check_files
    check(outputs, inputs)
    check_output_path(manifest_path(options.output), options.force)
    return check_output_path(options.output, options.force)


def _read(source: Path, options: EngineOptions, listener: BuildListener) -> tuple[onnx.ModelProto, ModelMetadata, str]:
    """The graph in the precision that is asked for, what it says of itself, and the file's SHA-256."""
    from yolact_deploy.artifacts.onnx_file import metadata_of, read_exported

    model = read_exported(source)
    digest = sha256_of(source)
    metadata = metadata_of(model, source)  # with the precision that the nodes show
    precision = metadata.precision
    wanted = options.precision or precision
    if options.tf32 and precision != "fp32":
        raise ModelFileError(f"{source} is {precision}, and --tf32 is about fp32: leave it out")
    if precision != "fp32" and options.precision is not None:
        advice = f"build it without --{options.precision}, or build the fp32 file"
        raise ModelFileError(f"{source} is already {precision}: {advice}")
    if precision == "int8":
        _check_layout(model, source)
    elif wanted != precision:
        model = _converted(model, wanted, source, options, listener)
        metadata = metadata_of(model, source)
    return model, metadata, digest


def _converted(
    model: onnx.ModelProto, wanted: str, source: Path, options: EngineOptions, listener: BuildListener
) -> onnx.ModelProto:
    """The fp32 `model` in the precision `wanted`."""
    if options.int8 is None:
        from yolact_deploy.export.precision.convert import convert_precision

        return convert_precision(model, wanted, source)
    from yolact_deploy.export.precision.int8.convert import convert_int8

    options.int8.check(model, source, force=options.force)
    statistics = options.int8.statistics.obtain(model, source, _calibration_phase(listener))
    return convert_int8(model, statistics, options.int8.options, source)


def _calibration_phase(listener: BuildListener) -> Advance:
    """Progress of the calibration as a phase of the build."""
    name = "calibration"

    def advance(done: int, total: int | None) -> None:
        if done == 1:
            listener.started(name, None, total or 0)
        listener.stepped(name, done - 1)
        if done == total:
            listener.finished(name)

    return advance


def _check_layout(model: onnx.ModelProto, source: Path) -> None:
    """Raises ModelFileError for a file that was quantised for a CPU."""
    if layout_of(model) != TENSORRT_LAYOUT:
        raise ModelFileError(
            f"{source} was quantised for a CPU, in a layout that TensorRT refuses: make one for it with "
            "`yolact-deploy convert-precision FP32.onnx --int8 --layout tensorrt --calibration FOLDER -o INT8.onnx`"
        )


def _prepare_deform_conv(library: TensorRTLibrary, metadata: ModelMetadata, source: Path) -> None:
    """TensorRT has a plugin for ONNX's DeformConv, TensorRT for RTX has nothing."""
    if metadata.deform_conv != "onnx":
        return
    if library.is_rtx:
        raise ModelFileError(
            f"{source} was exported with --deform-conv onnx, and {library.title} has no deformable convolution: "
            "export it again with --deform-conv gridsample"
        )
    library.load_standard_plugins()


def _plugin_path(library: TensorRTLibrary, options: EngineOptions, gpu: GpuInfo | None) -> Path | None:
    """The plugin library to build with: the one that is named, or the one that `build-plugins` made here."""
    if options.plugins is not None or library.is_rtx:
        return options.plugin_library
    return find_library(library.major, gpu if gpu is not None and gpu.compute_capability else None)


def _runtime_notes(library: TensorRTLibrary, options: EngineOptions) -> tuple[str, ...]:
    if options.runtime != "auto" or not library.is_rtx:
        return ()
    return (
        f"TensorRT is not installed, so {library.title} builds this engine, which runs on no Jetson and no data-centre "
        "card: build the engine of such a machine there (docs/jetson.md)",
    )


def _plugin_notes(library: TensorRTLibrary, options: EngineOptions, plugins: PluginRecord | None) -> tuple[str, ...]:
    named = options.plugin_library
    found = [] if named is None else [path.resolve() for path in places(options.output, named.name, library.major)]
    if named is not None and named.resolve() not in found:
        return (f"name the plugin library when you open the engine (--plugins {named}), or copy it beside the engine",)
    if plugins is not None or options.plugins is not None or library.is_rtx:
        return ()
    return (
        f"no plugin library for TensorRT {library.major} here, so Fast NMS and masks run as the graph's own functions: "
        f"`{BUILD_COMMAND}` makes one",
    )


def _load_plugins(library: TensorRTLibrary, path: Path | None) -> PluginRecord | None:
    """Make a plugin library known, and record which. Without one the graph's functions are built."""
    if path is None:
        return None
    load_plugins(library, path)
    origin = read_origin(path)
    return PluginRecord(path.name, sha256_of(path), origin.source_version, str(origin.tensorrt_major))


def _obstacle(model: onnx.ModelProto, config: ModelConfig) -> str:
    """Why plugins cannot stand for the nodes of a file, in words; empty where they can."""
    from yolact_deploy.artifacts.operators import DOMAIN

    if not any(node.domain == DOMAIN for node in model.graph.node):
        return _INLINED
    beyond = beyond_plugins(config)
    return f"has {beyond}, so that Fast NMS and masks run as the graph's own functions" if beyond else ""


def _leave_to_plugins(model: onnx.ModelProto) -> None:
    """Take the function bodies out: which of function and plugin a parser prefers differs between releases."""
    from yolact_deploy.artifacts.operators import DOMAIN

    others = [function for function in model.functions if function.domain != DOMAIN]
    del model.functions[:]
    model.functions.extend(others)


def _write(output: Path, data: memoryview, manifest: Manifest) -> None:
    """Engine and manifest; a manifest that survives a failure in between does not fit the engine, and is refused."""
    with atomic_path(manifest_path(output)) as manifest_part, atomic_path(output) as engine_part:
        manifest_part.write_text(manifest.to_json(), encoding="utf-8")
        engine_part.write_bytes(data)
