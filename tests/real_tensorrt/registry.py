"""A plugin library in the plugin registry of a real TensorRT: `python -m tests.real_tensorrt.registry MODULE LIBRARY`.

Reads nodes as JSON from standard input, [[OPERATOR, {ATTRIBUTE: VALUE}], ...], and prints what the registry made of
them in both phases. In a process of its own: what is registered stays so, and a wrong library crashes.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import numpy as np

NAMESPACE, VERSION = "yolact", "1"


def main() -> None:
    trt = importlib.import_module(sys.argv[1])
    nodes = json.load(sys.stdin)
    registry = trt.get_plugin_registry()
    loads = [registry.load_library(sys.argv[2]) is not None for _ in range(2)]
    creators = [creator for creator in registry.all_creators if creator.plugin_namespace == NAMESPACE]
    facts = {
        "loads": loads,
        "versions": {creator.name: creator.plugin_version for creator in creators},
        "fields": {
            creator.name: {field.name: field.type.name for field in creator.field_names} for creator in creators
        },
        "created": {
            phase: [is_created(trt, member, *node) for node in nodes]
            for phase, member in trt.TensorRTPhase.__members__.items()
        },
    }
    print(json.dumps(facts))


def is_created(trt: Any, phase: Any, operator: str, attributes: dict[str, float | int | str]) -> bool:
    """Whether the operator's creator makes a plugin of a node with these attributes."""
    creator = trt.get_plugin_registry().get_creator(operator, VERSION, NAMESPACE)
    arrays = {name: field_array(value) for name, value in attributes.items()}  # outlive their fields
    kinds = {"float32": "FLOAT32", "int32": "INT32", "int8": "CHAR"}
    fields = [
        trt.PluginField(name, array, getattr(trt.PluginFieldType, kinds[array.dtype.name]))
        for name, array in arrays.items()
    ]
    return creator.create_plugin("node", trt.PluginFieldCollection(fields), phase) is not None


def field_array(value: float | int | str) -> np.ndarray:
    """An attribute as the parser hands it to a creator."""
    if isinstance(value, str):
        return np.frombuffer(value.encode(), np.int8)
    return np.array([value], np.float32 if isinstance(value, float) else np.int32)


if __name__ == "__main__":
    main()
