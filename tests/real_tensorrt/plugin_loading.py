"""This project's loading of plugin libraries on a real registry: `python -m tests.real_tensorrt.plugin_loading FILE...`

Loads one after the other in one process, and prints for each what was said ("" when it was loaded) and which of our
plugins the registry has then.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import tensorrt

from yolact_deploy.errors import YolactDeployError
from yolact_deploy.trt.library import TensorRTLibrary
from yolact_deploy.trt.plugin_registry import load_plugins


def main() -> None:
    library = TensorRTLibrary("tensorrt", tensorrt)  # a lean one, which `load_tensorrt` rightly does not take
    results = []
    for name in sys.argv[1:]:
        said = ""
        try:
            load_plugins(library, Path(name))
        except YolactDeployError as error:
            said = str(error)
        creators = tensorrt.get_plugin_registry().all_creators
        results.append([said, sorted(creator.name for creator in creators if creator.plugin_namespace == "yolact")])
    print(json.dumps(results))


if __name__ == "__main__":
    main()
