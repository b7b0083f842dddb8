"""A stand-in for the Python module of TensorRT 11.4: its plans hold the ONNX file, which ONNX Runtime runs on the
stand-in GPU's memory, when the stream gets there.

tests/trt/test_stand_in.py compares its names, parameters and enum values with the real module's. Any other name is an
AttributeError.
"""

from __future__ import annotations

import ctypes
import enum
import importlib.machinery
import json
import types
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import onnx

from tests.gpu_stand_in import FakeGpu
from yolact_deploy.runtimes.onnxruntime import create_session

MAGIC = b"ftrt"


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 0
    PREFER_JIT_PYTHON_PLUGINS = 1
    PREFER_AOT_PYTHON_PLUGINS = 2


class BuilderFlag(enum.IntEnum):
    GPU_FALLBACK = 3
    TF32 = 6
    VERSION_COMPATIBLE = 12


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 0


class ProfilingVerbosity(enum.IntEnum):
    DETAILED = 2


class HardwareCompatibilityLevel(enum.IntEnum):
    NONE = 0
    AMPERE_PLUS = 1
    SAME_COMPUTE_CAPABILITY = 2


class DeviceType(enum.IntEnum):
    GPU = 0
    DLA = 1


class TensorIOMode(enum.IntEnum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class LayerInformationFormat(enum.IntEnum):
    ONELINE = 0
    JSON = 1


class DataType(enum.IntEnum):
    FLOAT = 0
    INT32 = 3
    UINT8 = 5


ONNX_TYPES = {1: DataType.FLOAT, 2: DataType.UINT8, 6: DataType.INT32}


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class ILogger:
    Severity = Severity

    def __init__(self) -> None: ...

    def log(self, severity: Severity, msg: str) -> None: ...


class IProgressMonitor:
    def __init__(self) -> None: ...

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None: ...

    def step_complete(self, phase_name: str, step: int) -> bool: ...

    def phase_finish(self, phase_name: str) -> None: ...


class Dims:
    """Has a length and an index, and no iterator."""

    __iter__ = None

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = list(sizes)

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: int) -> int:
        return self._sizes[index]


class ITensor:
    __slots__ = ("dtype", "name", "shape")

    def __init__(self, value: onnx.ValueInfoProto) -> None:
        tensor = value.type.tensor_type
        self.name = value.name
        self.dtype = ONNX_TYPES[tensor.elem_type]
        self.shape = Dims([size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim])


class INetworkDefinition:
    def __init__(self) -> None:
        self.model = onnx.ModelProto()

    @property
    def num_outputs(self) -> int:
        return len(self.model.graph.output)

    def get_input(self, index: int) -> ITensor:
        return ITensor(self.model.graph.input[index])

    def get_output(self, index: int) -> ITensor:
        return ITensor(self.model.graph.output[index])


class ParserError:
    def __init__(self, description: str) -> None:
        self._description = description

    def desc(self) -> str:
        return self._description

    def node_name(self) -> str:
        return ""

    def node_operator(self) -> str:
        return ""

    def local_function_stack(self) -> list[str]:
        return []


class OnnxParser:
    _plugins: IPluginRegistry

    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        self._network, self._errors = network, []  # type: ignore[var-annotated]

    def parse(self, model: bytes) -> bool:
        self._network.model.ParseFromString(model)
        missing = {node.op_type for node in self._network.model.graph.node if node.domain == "yolact"}
        missing -= {function.name for function in self._network.model.functions}
        missing -= self._plugins.creators
        self._errors = [ParserError(f"no creator for {name}") for name in sorted(missing)]
        return not self._errors

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]


class IOptimizationProfile:
    def __init__(self) -> None:
        self.shapes: dict[str, list[list[int]]] = {}

    def set_shape(self, input: str, min: Dims, opt: Dims, max: Dims) -> None:
        assert all(isinstance(dims, Dims) for dims in (min, opt, max))
        self.shapes[input] = [dims._sizes for dims in (min, opt, max)]


class ITimingCache:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def serialize(self) -> bytes:
        return self.data + b"+"


@dataclass
class SeenOptions:
    """What a build was told."""

    flags: set[BuilderFlag] = field(default_factory=lambda: {BuilderFlag.TF32})
    pools: dict[MemoryPoolType, int] = field(default_factory=dict)
    profiles: list[IOptimizationProfile] = field(default_factory=list)


class IBuilderConfig:
    __slots__ = (
        "DLA_core",
        "builder_optimization_level",
        "default_device_type",
        "hardware_compatibility_level",
        "profiling_verbosity",
        "progress_monitor",
        "seen",
    )

    def __init__(self) -> None:
        self.seen = SeenOptions()

    def set_flag(self, flag: BuilderFlag) -> None:
        self.seen.flags.add(BuilderFlag(flag))

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.seen.flags.discard(BuilderFlag(flag))

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        self.seen.pools[pool] = pool_size

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        return ITimingCache(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        return not cache.data.startswith(b"bad")

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self.seen.profiles.append(profile)
        return len(self.seen.profiles) - 1


class Builder:
    num_DLA_cores = 2  # noqa: N815
    last_config: IBuilderConfig | None = None  # of the newest build, for tests

    def __init__(self, logger: ILogger) -> None:
        assert isinstance(logger, ILogger)

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        known = sum(1 << flag for flag in NetworkDefinitionCreationFlag)
        assert flags & ~known == 0, "a bit that no flag has"
        assert flags & 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return INetworkDefinition()

    def create_builder_config(self) -> IBuilderConfig:
        Builder.last_config = IBuilderConfig()
        return Builder.last_config

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> bytes | None:
        monitor: Any = config.progress_monitor
        monitor.phase_start("Building engine", None, 3)
        for step in range(3):
            if not monitor.step_complete("Building engine", step):
                return None
        monitor.phase_finish("Building engine")
        header = {"profile": config.seen.profiles[0].shapes if config.seen.profiles else {}}
        return MAGIC + json.dumps(header).encode() + b"\n" + network.model.SerializeToString()


class IExecutionContext:
    def __init__(self, model: onnx.ModelProto, gpu: FakeGpu) -> None:
        self._gpu = gpu
        self._session = create_session(model.SerializeToString(), "the stand-in", device="cpu")
        self._tensors = {value.name: ITensor(value) for value in (*model.graph.input, *model.graph.output)}
        self._input = model.graph.input[0].name
        self._addresses: dict[str, int] = {}
        self._shape: tuple[int, ...] = ()

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        assert name == self._input
        self._shape = tuple(shape)
        return True

    def set_tensor_address(self, name: str, memory: int) -> bool:
        assert memory in self._gpu.memory
        self._addresses[name] = memory
        return name in self._tensors

    def get_tensor_shape(self, name: str) -> Dims:
        dims = self._tensors[name].shape
        # Open are the batch, and of masks at the image's size rows and words of 32 pixels.
        known = (self._shape[0], None, self._shape[1], -(-self._shape[2] // 32) if len(self._shape) > 2 else None)
        return Dims([known[index] if dims[index] < 0 else dims[index] for index in range(len(dims))])  # type: ignore[misc]

    def execute_async_v3(self, stream_handle: int) -> bool:
        self._gpu.calls.append("execute_async_v3")
        stream = self._gpu.streams[stream_handle]
        # A kernel's launcher asks for the last error, and so reports what somebody else left behind.
        if "execute_async_v3" in self._gpu.fails or self._gpu.last_error:
            return False
        if "capture" in self._gpu.fails and stream.is_captured_here:
            return False
        stream.submit(partial(self._run, self._shape, dict(self._addresses)))
        return True

    def _run(self, shape: tuple[int, ...], addresses: dict[str, int]) -> None:
        dtype = np.uint8 if self._tensors[self._input].dtype == DataType.UINT8 else np.float32
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        block = self._gpu.memory[addresses[self._input]]
        assert nbytes <= len(block), "the engine reads past its buffer"
        batch = np.frombuffer(bytes(block[:nbytes]), dtype).reshape(shape)
        names = [name for name in self._tensors if name != self._input]
        for name, value in zip(names, self._session.run(names, {self._input: batch}), strict=True):
            assert value.nbytes <= len(self._gpu.memory[addresses[name]]), "the engine writes past its buffer"
            ctypes.memmove(addresses[name], value.ctypes.data, value.nbytes)


class EngineInspector:
    def get_engine_information(self, format: LayerInformationFormat) -> str:
        assert format is LayerInformationFormat.JSON
        return json.dumps({"Layers": [{"Name": "preprocess"}, "postprocess"], "Bindings": []})


class ICudaEngine:
    def __init__(self, data: bytes, gpu: FakeGpu) -> None:
        header, _, graph = data[len(MAGIC) :].partition(b"\n")
        self._gpu = gpu
        self._profile = json.loads(header)["profile"]
        self._model = onnx.load_from_string(graph)
        # Outputs first, and not in the file's order: whoever counts on an order is wrong.
        outputs = [ITensor(value) for value in reversed(self._model.graph.output)]
        self._inputs = {value.name: ITensor(value) for value in self._model.graph.input}
        self._tensors = {tensor.name: tensor for tensor in outputs} | self._inputs

    @property
    def num_io_tensors(self) -> int:
        return len(self._tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self._tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return self._tensors[name].dtype

    def get_tensor_shape(self, name: str) -> Dims:
        return self._tensors[name].shape

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        assert profile_index == 0
        fixed = self._tensors[name].shape._sizes
        return [Dims(shape) for shape in self._profile.get(name, [fixed] * 3)]

    def create_execution_context(self) -> IExecutionContext:
        return IExecutionContext(self._model, self._gpu)

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector()


class Runtime:
    _gpu: FakeGpu

    def __init__(self, logger: ILogger) -> None:
        assert isinstance(logger, ILogger)
        self._logger = logger
        self.engine_host_code_allowed = False

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        if not serialized_engine.startswith(MAGIC):
            self._logger.log(Severity.ERROR, "IRuntime::deserializeCudaEngine: Error Code 1: magic tag does not match")
            return None
        return ICudaEngine(serialized_engine, self._gpu)


class IPluginRegistry:
    """Takes a plugin once: a second library with plugins of the same names is null."""

    def __init__(self) -> None:
        self.creators: set[str] = set()
        self.loaded: list[str] = []

    def load_library(self, plugin_path: str) -> object | None:
        if "broken" in plugin_path or self.creators:
            return None
        self.loaded.append(plugin_path)
        self.creators |= {"YolactFastNMS", "YolactMaskAssembly"}
        return object()

    def get_creator(self, type: str, version: str, plugin_namespace: str = "") -> object | None:
        return object() if type in self.creators and (version, plugin_namespace) == ("1", "yolact") else None


KINDS = (
    *(NetworkDefinitionCreationFlag, BuilderFlag, MemoryPoolType, ProfilingVerbosity, HardwareCompatibilityLevel),
    *(DeviceType, TensorIOMode, LayerInformationFormat, DataType, ILogger, IProgressMonitor, Dims, Builder),
)  # that the module has as they are; the tests hold them, and what they return, against the real module


def fake_tensorrt(gpu: FakeGpu, version: str = "11.4.1.2") -> types.ModuleType:
    """A module `tensorrt` of `version` whose engines run on `gpu`, with a plugin registry of its own."""
    module: Any = types.ModuleType("tensorrt")
    module.__spec__ = importlib.machinery.ModuleSpec("tensorrt", None)  # as PyTorch asks for it
    module.__version__ = version
    registry = IPluginRegistry()
    module.get_plugin_registry = lambda: registry
    for kind in KINDS:
        setattr(module, kind.__name__, kind)
    module.OnnxParser = type("OnnxParser", (OnnxParser,), {"_plugins": registry})
    module.Runtime = type("Runtime", (Runtime,), {"_gpu": gpu})
    return module
