"""Optional packages: a missing one is a clear error with the line that installs it."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import MissingDependencyError

BUILD_COMMAND = "yolact-deploy build-plugins"  # what makes the TensorRT plugins

INSTALL_LINES = {  # import name -> the smallest line that is enough
    "torch": 'pip install "yolact-deploy[export]"',
    "onnx": "pip install onnx",
    "onnxscript": 'pip install "yolact-deploy[export]"',
    "safetensors": "pip install safetensors",
    "yaml": "pip install pyyaml",
    "onnxruntime": "pip install onnxruntime (with an NVIDIA GPU on x86-64: onnxruntime-gpu)",
    "openvino": 'pip install "yolact-deploy[openvino]"',
    "tensorrt": "pip install tensorrt (on a Jetson: sudo apt install nvidia-jetpack)",
    "tensorrt_rtx": 'pip install "yolact-deploy[rtx]"',
    "pycuda": "pip install pycuda (needs the CUDA toolkit)",
    "cuda": 'pip install cuda-bindings (on a Jetson: pip install "yolact-deploy[jetson]")',
    "pycocotools": 'pip install "yolact-deploy[bench]"',
    "matplotlib": 'pip install "yolact-deploy[bench]"',
    "av": "pip install av",
    "supervision": "pip install supervision",
    "jinja2": 'pip install "yolact-deploy[bench]"',
    "markupsafe": 'pip install "yolact-deploy[bench]"',
}


def require(name: str, purpose: str) -> ModuleType:
    """Import `name`, needed for `purpose` (as in "reading a .pth file").

    Raises MissingDependencyError with the install line when it is not there or does not load.
    """
    root = name.partition(".")[0]
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if getattr(error, "name", None) in (name, root):
            raise MissingDependencyError(f"{purpose} needs {root}: {INSTALL_LINES[root]}") from None
        raise MissingDependencyError(f"{purpose} needs {root}, which is installed but does not load: {error}") from None
    if module.__file__ is None:  # a folder without code, such as type stubs leave behind
        raise MissingDependencyError(f"{purpose} needs {root}: {INSTALL_LINES[root]}")
    return module
