"""Opening an engine file: all checks that need no TensorRT come first, then the library, the GPU and the engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.manifest import Manifest, TensorRange, manifest_path
from ..dependencies import BUILD_COMMAND
from ..errors import MissingDependencyError, ModelFileError, YolactDeployError
from .cuda import CudaBackend, open_backend
from .library import TensorRTLibrary, load_tensorrt, readable, shape_of
from .plugin_library import compiled_major

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
        return DTYPES[self.engine.get_tensor_dtype(name).name]


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


def open_engine(path: Path, manifest: Manifest | None) -> OpenEngine:
    """Load the library, check that it and the GPU here fit `manifest`, and only then deserialise the engine.

    Raises ModelFileError when they do not fit or the file is no engine, MissingDependencyError, YolactDeployError when
    there is no working GPU.
    """
    library = _library_for(path, manifest)
    if manifest is not None:
        manifest.check_library(path, library.runtime, library.version)
        manifest.check_plugins(path)
    backend = open_backend()
    try:
        with backend.current():
            if manifest is not None:
                manifest.check_gpu(path, backend.gpu)
                if manifest.plugins is not None:
                    load_plugins(library, Path(manifest.plugins.name))
            return _deserialise(path, library, backend, manifest)
    except BaseException:
        backend.close()
        raise


def load_plugins(library: TensorRTLibrary, path: Path) -> None:
    """Make the plugins of a shared library known to TensorRT, for the rest of the process.

    Raises ModelFileError when it does not load, or was compiled for another major version of TensorRT.
    """
    major = compiled_major(path)
    if major not in (None, library.major):
        raise ModelFileError(
            f"{path} was compiled for TensorRT {major}, here is {library.title}: run `{BUILD_COMMAND}`"
        )
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = library.module
    with library.logger.collecting() as errors:
        try:
            handle = trt.get_plugin_registry().load_library(str(path.absolute()))
        except Exception as error:  # the binding's classes share no public base
            errors.append(str(error))
            handle = None
    if handle is None:
        reason = readable(errors[0]) if errors else "no reason given"
        raise ModelFileError(f"{path}: {library.title} cannot load this plugin library ({reason}): build it again")


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
    with library.logger.collecting() as errors:
        if manifest is None or manifest.metadata.deform_conv == "onnx":
            library.load_standard_plugins()
        runtime = trt.Runtime(library.logger.native)
        # A version-compatible engine carries the host code of its own TensorRT.
        runtime.engine_host_code_allowed = manifest is not None and manifest.version_compatible
        engine = runtime.deserialize_cuda_engine(path.read_bytes())
    if engine is None:
        reason = readable(errors[0]) if errors else "no reason given"
        command = f"rebuild it with `{manifest.command}`" if manifest else "build it with `yolact-deploy build-engine`"
        raise ModelFileError(f"{path}: {library.title} cannot open it ({reason}): {command}")
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


def _input_range(engine: trt.ICudaEngine, name: str) -> TensorRange:
    dtype = DTYPES[engine.get_tensor_dtype(name).name]
    low, best, high = (shape_of(shape) for shape in engine.get_tensor_profile_shape(name, 0))
    return TensorRange(name, dtype, low, best, high)


def require_input(opened: OpenEngine, path: Path) -> TensorRange:
    """The one input. Raises YolactDeployError when there are more: an engine of something else."""
    if len(opened.inputs) != 1:
        raise YolactDeployError(f"{path} has {len(opened.inputs)} inputs: it is no engine of yolact-deploy")
    return opened.inputs[0]
