"""The calls to TensorRT that turn an ONNX graph into a plan: network, profile, configuration, build.

Written against the names that TensorRT 10.3 to 11.x and TensorRT for RTX share; tests prove them on the
module of each. What differs is in `trt/library.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yolact_deploy.artifacts.manifest import TensorRange
from yolact_deploy.artifacts.outputs import IMAGE_INPUT, OUTPUT_NAMES
from yolact_deploy.errors import ConfigError, ModelFileError, YolactDeployError
from yolact_deploy.export.engine.build_monitor import BuildListener, Cancellation, create_monitor, run_cancellable
from yolact_deploy.export.engine.options import EngineOptions, hardware_level
from yolact_deploy.export.engine.timing_cache import TimingCache, attach_timing_cache
from yolact_deploy.machine import GpuInfo
from yolact_deploy.ops.masks import words_of_row
from yolact_deploy.trt.engine_file import dtype_name
from yolact_deploy.trt.library import Errors, TensorRTLibrary, readable, shape_of

if TYPE_CHECKING:
    import tensorrt as trt


@dataclass(frozen=True)
class ParsedNetwork:
    """A graph as TensorRT understood it, and everything that must stay alive for the build."""

    library: TensorRTLibrary
    source: object  # names the ONNX file in errors
    builder: trt.Builder
    network: trt.INetworkDefinition
    parser: trt.OnnxParser  # owns the weights

    @property
    def input(self) -> trt.ITensor:
        """Its one input."""
        return self.network.get_input(0)


def parse_network(
    library: TensorRTLibrary, graph: bytes, source: object, outputs: Sequence[str] = OUTPUT_NAMES
) -> ParsedNetwork:
    """Parse a serialised ONNX model, which must have these outputs, into a strongly typed network.

    Raises ModelFileError with the parser's reason and the node's name, YolactDeployError when TensorRT does not start.
    """
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = library.module
    log = library.logger
    with log.collecting() as errors:
        try:
            builder = trt.Builder(log.native)
        except TypeError:  # the binding's way to say that the library returned nothing
            raise library.does_not_start(errors) from None
        network = builder.create_network(library.network_flags())
        parser = trt.OnnxParser(network, log.native)
        if not parser.parse(graph):
            raise ModelFileError(_parser_message(library, parser, errors, source))
    names = {network.get_output(index).name for index in range(network.num_outputs)}
    missing = set(outputs) - names
    if missing:
        raise ModelFileError(f"{source} lacks the outputs {', '.join(sorted(missing))}: export it again")
    return ParsedNetwork(library, source, builder, network, parser)


def _parser_message(library: TensorRTLibrary, parser: trt.OnnxParser, errors: Errors, source: object) -> str:
    if parser.num_errors == 0:
        reason, node = errors.reason(), ""
    else:
        error = parser.get_error(0)
        reason = readable(error.desc())
        name, operator = error.node_name(), error.node_operator()
        inside = error.local_function_stack()
        node = f" at node {name} ({operator}{f', in {inside[0]}' if inside else ''})" if name or operator else ""
    return f"{source}: {library.title} cannot parse it{node}: {reason}; export it again, or report this"


def input_range(parsed: ParsedNetwork, options: EngineOptions) -> TensorRange:
    """The shapes that the engine is to take: what the graph leaves open, filled in from `options`.

    Raises ConfigError when options ask for another size or batch than the graph is fixed to.
    """
    tensor = parsed.input
    dims = shape_of(tensor.shape)
    batches = options.batch or ((dims[0],) * 3 if dims[0] > 0 else (1, 1, 1))
    if dims[0] > 0 and batches != (dims[0],) * 3:
        raise ConfigError(f"{parsed.source} is fixed to batch {dims[0]}: export it with --batch dynamic")
    ranges = [batches, *((size, size, size) for size in dims[1:])]
    if tensor.name == IMAGE_INPUT:
        low_size, best_size, high_size = options.sizes
        ranges[1] = (low_size.height, best_size.height, high_size.height)
        ranges[2] = (low_size.width, best_size.width, high_size.width)
    elif options.names_sizes:
        raise ConfigError(f"{parsed.source} is fixed to {dims[3]}x{dims[2]} px: leave out --min, --opt and --max")
    low, best, high = zip(*ranges, strict=True)
    return TensorRange(tensor.name, dtype_name(tensor.dtype), low, best, high)


def output_ranges(parsed: ParsedNetwork, shapes: TensorRange) -> tuple[TensorRange, ...]:
    """The outputs for the input `shapes`."""
    ranges = []
    for index in range(parsed.network.num_outputs):
        tensor = parsed.network.get_output(index)
        dims = shape_of(tensor.shape)
        low, best, high = (_filled_in(dims, shape) for shape in (shapes.min, shapes.opt, shapes.max))
        ranges.append(TensorRange(tensor.name, dtype_name(tensor.dtype), low, best, high))
    return tuple(ranges)


def _filled_in(dims: tuple[int, ...], input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an output: what can be open is the batch, and of masks at the image's size rows and words."""
    sizes = list(dims)
    for axis, size in enumerate(dims):
        if size < 0:
            sizes[axis] = (input_shape[0], size, input_shape[1], words_of_row(input_shape[2]))[axis]
    return tuple(sizes)


@dataclass(frozen=True)
class Plan:
    """A finished engine."""

    data: memoryview
    notes: tuple[str, ...]


def build_plan(
    parsed: ParsedNetwork, options: EngineOptions, shapes: TensorRange, gpu: GpuInfo | None, listener: BuildListener
) -> Plan:
    """Build. Takes seconds to many minutes; Ctrl-C, or a listener that raises, ends it at the next step.

    Raises YolactDeployError with the library's first reason, and how much memory was asked for where that is it.
    """
    library = parsed.library
    config = _configure(parsed, options)
    _add_profile(parsed, config, shapes)
    cache = attach_timing_cache(library, config, options.timing_cache, gpu)
    cancellation = Cancellation()
    monitor = create_monitor(library, listener, cancellation)
    config.progress_monitor = monitor

    def build() -> tuple[trt.IHostMemory | None, Errors]:
        with library.logger.collecting() as errors:
            return parsed.builder.build_serialized_network(parsed.network, config), errors

    data, errors = run_cancellable(build, cancellation)
    if data is None:
        raise YolactDeployError(_build_message(parsed, options, errors))
    return Plan(memoryview(data), _notes(cache))


def _notes(cache: TimingCache | None) -> tuple[str, ...]:
    note = cache.save() if cache is not None else None
    return () if note is None else (note,)


def _configure(parsed: ParsedNetwork, options: EngineOptions) -> trt.IBuilderConfig:
    """A configuration with every option but shapes, cache and monitor; `options.check_supported` came first."""
    library = parsed.library
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = library.module
    config = parsed.builder.create_builder_config()
    if options.tf32:
        config.set_flag(trt.BuilderFlag.TF32)
    elif library.member("BuilderFlag", "TF32") is not None:
        config.clear_flag(trt.BuilderFlag.TF32)  # on by default
    if options.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if options.workspace_bytes is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_bytes)
    if options.optimization_level is not None:
        config.builder_optimization_level = options.optimization_level
    if options.hardware_compatibility != "none":
        config.hardware_compatibility_level = hardware_level(library, options.hardware_compatibility)
    if options.dla_core is not None:
        _use_dla(parsed, config, options.dla_core)
    _set_compute_capabilities(library, config, options.compute_capabilities)
    # Names of layers and their precision for `inspect`; costs some kilobytes.
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    return config


def _use_dla(parsed: ParsedNetwork, config: trt.IBuilderConfig, core: int) -> None:
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = parsed.library.module
    cores = parsed.builder.num_DLA_cores
    if core >= cores:
        here = f"0 to {cores - 1}" if cores else "none"
        raise ConfigError(f"--dla {core}: this machine's deep-learning accelerators are {here}")
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _set_compute_capabilities(library: TensorRTLibrary, config: Any, wanted: tuple[str, ...]) -> None:
    """Only TensorRT for RTX has this; the type stubs are of TensorRT."""
    if not wanted:
        return
    known = library.compute_capabilities()
    config.num_compute_capabilities = len(wanted)
    for index, capability in enumerate(wanted):
        if not config.set_compute_capability(known[capability], index):
            raise ConfigError(f"{library.title} refuses compute capability {capability} beside {', '.join(wanted)}")


def _add_profile(parsed: ParsedNetwork, config: trt.IBuilderConfig, shapes: TensorRange) -> None:
    if all(size > 0 for size in shape_of(parsed.input.shape)):
        return
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = parsed.library.module
    profile = parsed.builder.create_optimization_profile()
    profile.set_shape(shapes.name, *(trt.Dims(list(shape)) for shape in (shapes.min, shapes.opt, shapes.max)))
    if config.add_optimization_profile(profile) < 0:
        raise ConfigError(f"{parsed.library.title} refuses the shapes {shapes.describe()} for {shapes.name}")


def _size_text(nbytes: int) -> str:
    """Bytes for people, in the binary units that --workspace reads."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if nbytes >= 1 << shift:
            return f"{nbytes / (1 << shift):.4g} {unit}"
    return f"{nbytes} bytes"


def _build_message(parsed: ParsedNetwork, options: EngineOptions, errors: Errors) -> str:
    title = parsed.library.title
    text = " ".join(errors.messages).lower()
    asked = "all there is" if options.workspace_bytes is None else _size_text(options.workspace_bytes)
    if "workspace" in text:
        return f"{title}: a workspace of {asked} is not enough for {parsed.source}: raise or leave out --workspace"
    if "out of memory" in text or "outofmemory" in text or "insufficient memory" in text:
        return (
            f"{title}: out of memory while building {parsed.source} (workspace: {asked}): close other programs, or set "
            "a smaller --max, --batch or --workspace"
        )
    return f"{title} cannot build {parsed.source}: {errors.reason()}"
