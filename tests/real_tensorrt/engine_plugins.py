"""An engine's plugin library on a real registry: `python -m tests.real_tensorrt.engine_plugins ENGINE [LIBRARY]`.

Finds the library by the engine's manifest, or takes LIBRARY, loads it, and prints its path and the plugins that the
registry has then, or what was said instead.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import tensorrt

from yolact_deploy.artifacts.manifest import Manifest
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.trt.engine_plugins import find_engine_plugins
from yolact_deploy.trt.library import TensorRTLibrary
from yolact_deploy.trt.plugin_registry import load_plugins


def main() -> None:
    library = TensorRTLibrary("tensorrt", tensorrt)  # a lean one, which `load_tensorrt` rightly does not take
    engine = Path(sys.argv[1])
    named = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    try:
        path = find_engine_plugins(engine, Manifest.read(engine), library, named)
        assert path is not None
        load_plugins(library, path)
        said = str(path)
    except YolactDeployError as error:
        said = str(error)
    creators = tensorrt.get_plugin_registry().all_creators
    print(json.dumps([said, sorted(creator.name for creator in creators if creator.plugin_namespace == "yolact")]))


if __name__ == "__main__":
    main()
