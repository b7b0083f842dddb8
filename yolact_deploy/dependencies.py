"""Optional packages: a missing one is a clear error with the line that installs it."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import MissingDependencyError

BUILD_COMMAND = "yolact-deploy build-plugins"  # what makes the TensorRT plugins

INSTALL_LINES = {  # import name -> what brings it
    "torch": 'pip install "yolact-deploy[export]"',
    "onnx": 'pip install "yolact-deploy[export]"',
    "onnxscript": 'pip install "yolact-deploy[export]"',
    "safetensors": 'pip install "yolact-deploy[export]"',
    "yaml": 'pip install "yolact-deploy[export]"',
    "onnxruntime": 'pip install "yolact-deploy[cpu]" (with an NVIDIA GPU: "yolact-deploy[gpu]")',
    "tensorrt": 'pip install "yolact-deploy[gpu]" (on a Jetson it comes with JetPack)',
    "tensorrt_rtx": 'pip install "yolact-deploy[rtx]"',
    "pycuda": 'pip install "yolact-deploy[gpu]"',
    "pycocotools": 'pip install "yolact-deploy[bench]"',
    "matplotlib": 'pip install "yolact-deploy[bench]"',
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
