"""A stand-in for the Python module of TensorRT 11.x: only names that 11 has, with moved enum values, nothing weakly
typed; its plans hold the ONNX file, which ONNX Runtime runs on the stand-in GPU's memory.

Any other name is an AttributeError, so what is built and run with it uses nothing that 11 lacks.
"""

from __future__ import annotations

import ctypes
import enum
import json
import types
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from tests.cuda_stand_in import FakeGpu
from yolact_deploy.runtimes.onnxruntime import create_session

MAGIC = b"ftrt"


class NetworkDefinitionCreationFlag(enum.IntEnum):
    SOMETHING_NEW = 1  # where STRONGLY_TYPED was in 10.x


class BuilderFlag(enum.IntEnum):
    GPU_FALLBACK = 0
    VERSION_COMPATIBLE = 2
    TF32 = 3
    REFIT = 7


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 4


class ProfilingVerbosity(enum.IntEnum):
    DETAILED = 5


class HardwareCompatibilityLevel(enum.IntEnum):
    NONE = 3
    AMPERE_PLUS = 4
    SAME_COMPUTE_CAPABILITY = 5


class DeviceType(enum.IntEnum):
    GPU = 1
    DLA = 0


class TensorIOMode(enum.IntEnum):
    NONE = 2
    INPUT = 0
    OUTPUT = 1


class LayerInformationFormat(enum.IntEnum):
    ONELINE = 1
    JSON = 0


class DataType(enum.IntEnum):
    INT32 = 0
    FLOAT = 1
    UINT8 = 5


ONNX_TYPES = {1: DataType.FLOAT, 2: DataType.UINT8, 6: DataType.INT32}


class Severity(enum.IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class ILogger:
    def __init__(self) -> None: ...


class IProgressMonitor:
    def __init__(self) -> None: ...


class Dims:
    """Has a length and an index, and no iterator."""

    __iter__ = None

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = list(sizes)

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: int) -> int:
        return self._sizes[index]


class Tensor:
    def __init__(self, value: onnx.ValueInfoProto) -> None:
        tensor = value.type.tensor_type
        self.name = value.name
        self.dtype = ONNX_TYPES[tensor.elem_type]
        self.shape = Dims([size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim])


class Network:
    def __init__(self) -> None:
        self.model = onnx.ModelProto()

    @property
    def num_outputs(self) -> int:
        return len(self.model.graph.output)

    def get_input(self, index: int) -> Tensor:
        return Tensor(self.model.graph.input[index])

    def get_output(self, index: int) -> Tensor:
        return Tensor(self.model.graph.output[index])


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
    def __init__(self, network: Network, logger: ILogger) -> None:
        self._network, self._errors = network, []  # type: ignore[var-annotated]

    def parse(self, data: bytes) -> bool:
        self._network.model.ParseFromString(data)
        missing = {node.op_type for node in self._network.model.graph.node if node.domain == "yolact"}
        missing -= {function.name for function in self._network.model.functions}
        missing -= PLUGINS.creators
        self._errors = [ParserError(f"no creator for {name}") for name in sorted(missing)]
        return not self._errors

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]


class OptimizationProfile:
    def __init__(self) -> None:
        self.shapes: dict[str, list[list[int]]] = {}

    def set_shape(self, input: str, min: Dims, opt: Dims, max: Dims) -> None:
        assert all(isinstance(dims, Dims) for dims in (min, opt, max))
        self.shapes[input] = [dims._sizes for dims in (min, opt, max)]


class TimingCacheData:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def serialize(self) -> bytes:
        return self.data + b"+"


class BuilderConfig:
    __slots__ = (
        "DLA_core",
        "builder_optimization_level",
        "cache",
        "default_device_type",
        "flags_set",
        "hardware_compatibility_level",
        "pools",
        "profiles",
        "profiling_verbosity",
        "progress_monitor",
    )

    def __init__(self) -> None:
        self.flags_set = {BuilderFlag.TF32}
        self.pools: dict[MemoryPoolType, int] = {}
        self.profiles: list[OptimizationProfile] = []
        self.cache: TimingCacheData | None = None

    def set_flag(self, flag: BuilderFlag) -> None:
        self.flags_set.add(BuilderFlag(flag))

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags_set.discard(BuilderFlag(flag))

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        self.pools[pool] = pool_size

    def create_timing_cache(self, serialized_timing_cache: bytes) -> TimingCacheData:
        return TimingCacheData(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache: TimingCacheData, ignore_mismatch: bool) -> bool:
        self.cache = cache
        return not cache.data.startswith(b"bad")

    def add_optimization_profile(self, profile: OptimizationProfile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1


class Builder:
    num_DLA_cores = 2  # noqa: N815
    last_config: BuilderConfig | None = None  # of the newest build, for tests

    def __init__(self, logger: ILogger) -> None:
        assert isinstance(logger, ILogger)

    def create_network(self, flags: int = 0) -> Network:
        assert flags == 0, "11.x is strongly typed without a flag"
        return Network()

    def create_builder_config(self) -> BuilderConfig:
        Builder.last_config = BuilderConfig()
        return Builder.last_config

    def create_optimization_profile(self) -> OptimizationProfile:
        return OptimizationProfile()

    def build_serialized_network(self, network: Network, config: BuilderConfig) -> bytes | None:
        monitor: Any = config.progress_monitor
        monitor.phase_start("Building engine", None, 3)
        for step in range(3):
            if not monitor.step_complete("Building engine", step):
                return None
        monitor.phase_finish("Building engine")
        header = {"profile": config.profiles[0].shapes if config.profiles else {}}
        return MAGIC + json.dumps(header).encode() + b"\n" + network.model.SerializeToString()


class Context:
    def __init__(self, model: onnx.ModelProto, gpu: FakeGpu) -> None:
        self._gpu = gpu
        self._session = create_session(model.SerializeToString(), "the stand-in", device="cpu")
        self._tensors = {value.name: Tensor(value) for value in (*model.graph.input, *model.graph.output)}
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
        if "execute_async_v3" in self._gpu.fails:
            return False
        self._gpu.calls.append("execute_async_v3")
        self._gpu.streams[stream_handle].submit(self._run)
        return True

    def _run(self) -> None:
        count = int(np.prod(self._shape))
        dtype = np.uint8 if self._tensors[self._input].dtype == DataType.UINT8 else np.float32
        batch = np.frombuffer(self._bytes(self._input, count * np.dtype(dtype).itemsize), dtype).reshape(self._shape)
        names = [name for name in self._tensors if name != self._input]
        for name, value in zip(names, self._session.run(names, {self._input: batch}), strict=True):
            ctypes.memmove(self._addresses[name], value.ctypes.data, value.nbytes)

    def _bytes(self, name: str, nbytes: int) -> Any:
        block = self._gpu.memory[self._addresses[name]]
        assert nbytes <= len(block), "the engine reads past its buffer"
        return bytes(block[:nbytes])


class EngineInspector:
    def get_engine_information(self, form: LayerInformationFormat) -> str:
        assert form is LayerInformationFormat.JSON
        return json.dumps({"Layers": [{"Name": "preprocess"}, "postprocess"], "Bindings": []})


class Engine:
    def __init__(self, data: bytes, gpu: FakeGpu) -> None:
        header, _, graph = data[len(MAGIC) :].partition(b"\n")
        self._gpu = gpu
        self._profile = json.loads(header)["profile"]
        self._model = onnx.load_from_string(graph)
        # Outputs first, and not in the file's order: whoever counts on an order is wrong.
        outputs = [Tensor(value) for value in reversed(self._model.graph.output)]
        self._inputs = {value.name: Tensor(value) for value in self._model.graph.input}
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

    def create_execution_context(self) -> Context:
        return Context(self._model, self._gpu)

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector()


class PluginRegistry:
    """Of 11.x: `get_creator`, no `get_plugin_creator`."""

    def __init__(self) -> None:
        self.creators: set[str] = set()
        self.loaded: list[str] = []

    def load_library(self, plugin_path: str) -> object | None:
        if "broken" in plugin_path:
            return None
        self.loaded.append(plugin_path)
        self.creators |= {"YolactFastNMS", "YolactMaskAssembly"}
        return object()


PLUGINS = PluginRegistry()


def fake_tensorrt(gpu: FakeGpu, version: str = "11.4.1.2") -> types.ModuleType:
    """A module `tensorrt` of `version` whose engines run on `gpu`."""
    module: Any = types.ModuleType("tensorrt")
    module.__version__ = version

    class Runtime:
        def __init__(self, logger: Any) -> None:
            assert isinstance(logger, ILogger)
            self._logger: Any = logger
            self.engine_host_code_allowed = False

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None:
            if not serialized_engine.startswith(MAGIC):
                self._logger.log(
                    Severity.ERROR, "IRuntime::deserializeCudaEngine: Error Code 1: magic tag does not match"
                )
                return None
            return Engine(serialized_engine, gpu)

    PLUGINS.__init__()  # type: ignore[misc]
    module.get_plugin_registry = lambda: PLUGINS
    for kind in (
        *(NetworkDefinitionCreationFlag, BuilderFlag, MemoryPoolType, ProfilingVerbosity, HardwareCompatibilityLevel),
        *(DeviceType, TensorIOMode, LayerInformationFormat, DataType, ILogger, IProgressMonitor, Dims, OnnxParser),
        *(Builder, Runtime),
    ):
        setattr(module, kind.__name__, kind)
    return module
