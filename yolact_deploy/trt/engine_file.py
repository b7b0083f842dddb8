"""Opening an engine file: all checks that need no TensorRT come first, then the library, the GPU and the engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.manifest import Manifest, TensorRange, manifest_path
from ..errors import MissingDependencyError, ModelFileError, YolactDeployError
from .cuda import open_backend
from .cuda_backend import CudaBackend
from .engine_plugins import find_engine_plugins
from .library import TensorRTLibrary, load_tensorrt, shape_of
from .plugin_registry import load_plugins

if TYPE_CHECKING:
    import tensorrt as trt

RTX_MAGIC = b"vtrt"  # the first bytes of a plan of TensorRT for RTX
DTYPES = {  # NumPy's names by TensorRT's
    "FLOAT": "float32",
    "HALF": "float16",
    "BF16": "bfloat16",
    "INT32": "int32",
    "INT64": "int64",
    "INT8": "int8",
    "UINT8": "uint8",
    "BOOL": "bool",
}


def dtype_name(dtype: trt.DataType) -> str:
    """NumPy's name for a type, or TensorRT's own where NumPy has none."""
    return DTYPES.get(dtype.name, dtype.name.lower())


@dataclass(frozen=True)
class OpenEngine:
    """An engine that is ready to run, with what it needs alive."""

    library: TensorRTLibrary
    backend: CudaBackend
    runtime: trt.Runtime  # outlives the engine
    engine: trt.ICudaEngine
    inputs: tuple[TensorRange, ...]
    output_names: tuple[str, ...]

    def dtype(self, name: str) -> str:
        """NumPy's name for the type of a tensor."""
        return dtype_name(self.engine.get_tensor_dtype(name))


def read_manifest(path: Path, trust: bool) -> Manifest | None:
    """The manifest of an engine file that is the one it describes; None when there is none and `trust` allows that.

    Raises ModelFileError.
    """
    if not path.is_file():
        raise ModelFileError(f"no such file: {path}")
    if manifest_path(path).exists():
        manifest = Manifest.read(path)
        manifest.check_file(path)
        return manifest
    if not trust:
        raise ModelFileError(
            f"{path} has no manifest ({manifest_path(path).name}), and an engine file can run any code: build it with "
            "`yolact-deploy build-engine`, or pass --trust if you know where it comes from"
        )
    return None


def open_engine(path: Path, manifest: Manifest | None, plugins: Path | None = None) -> OpenEngine:
    """Load the library, check that it and the GPU here fit `manifest`, and only then deserialise the engine.

    plugins: a plugin library to use instead of the one that is found; see `engine_plugins`.

    Raises ModelFileError when they do not fit or the file is no engine, MissingDependencyError, YolactDeployError when
    there is no working GPU.
    """
    if plugins is not None and not plugins.is_file():
        raise ModelFileError(f"no such plugin library: {plugins}")
    library = _library_for(path, manifest)
    if manifest is not None:
        manifest.check_library(path, library.runtime, library.version)
        plugins = find_engine_plugins(path, manifest, library, plugins)
    backend = open_backend()
    try:
        with backend.current():
            if manifest is not None:
                manifest.check_gpu(path, backend.gpu)
            if plugins is not None:
                load_plugins(library, plugins)
            return _deserialise(path, library, backend, manifest)
    except BaseException:
        backend.close()
        raise


def _library_for(path: Path, manifest: Manifest | None) -> TensorRTLibrary:
    if manifest is None:
        with path.open("rb") as file:
            return load_tensorrt("tensorrt-rtx" if file.read(len(RTX_MAGIC)) == RTX_MAGIC else "tensorrt")
    try:
        return load_tensorrt(manifest.built_on.runtime)
    except MissingDependencyError as error:
        raise MissingDependencyError(f"{path} was built with {manifest.built_on.describe()}; {error}") from None


def _deserialise(path: Path, library: TensorRTLibrary, backend: CudaBackend, manifest: Manifest | None) -> OpenEngine:
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = library.module
    if manifest is None or manifest.metadata.deform_conv == "onnx":
        library.load_standard_plugins()
    runtime = create_runtime(library)
    # A version-compatible engine carries the host code of its own TensorRT.
    runtime.engine_host_code_allowed = manifest is not None and manifest.version_compatible
    with library.logger.collecting() as errors:
        engine = runtime.deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        command = f"rebuild it with `{manifest.command}`" if manifest else "build it with `yolact-deploy build-engine`"
        raise ModelFileError(f"{path}: {library.title} cannot open it ({errors.reason()}): {command}")
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    inputs = tuple(name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT)
    return OpenEngine(
        library,
        backend,
        runtime,
        engine,
        inputs=tuple(_input_range(engine, name) for name in inputs),
        output_names=tuple(name for name in names if name not in inputs),
    )


def create_runtime(library: TensorRTLibrary) -> trt.Runtime:
    """What opens engines. Raises YolactDeployError when TensorRT does not start."""
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = library.module
    with library.logger.collecting() as errors:
        try:
            return trt.Runtime(library.logger.native)
        except TypeError:  # the binding's way to say that the library returned nothing
            raise library.does_not_start(errors) from None


def _input_range(engine: trt.ICudaEngine, name: str) -> TensorRange:
    dtype = dtype_name(engine.get_tensor_dtype(name))
    low, best, high = (shape_of(shape) for shape in engine.get_tensor_profile_shape(name, 0))
    return TensorRange(name, dtype, low, best, high)


def require_input(opened: OpenEngine, path: Path) -> TensorRange:
    """The one input. Raises YolactDeployError when there are more: an engine of something else."""
    if len(opened.inputs) != 1:
        raise YolactDeployError(f"{path} has {len(opened.inputs)} inputs: it is no engine of yolact-deploy")
    return opened.inputs[0]
