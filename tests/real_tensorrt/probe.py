"""This project's code on the real module of one release; prints what it saw as JSON.

What the type checker cannot see: names that are looked up as text, classes that the library calls back, values of
enums, and what happens when the library returns nothing.
"""

from __future__ import annotations

import json
from typing import Any

from yolact_deploy.errors import YolactDeployError
from yolact_deploy.export.engine.build_monitor import Cancellation, SilentListener, create_monitor
from yolact_deploy.export.engine.builder import parse_network
from yolact_deploy.export.engine.options import HARDWARE_COMPATIBILITIES, hardware_level
from yolact_deploy.trt.engine_file import DTYPES, create_runtime, dtype_name
from yolact_deploy.trt.library import TensorRTLibrary, load_tensorrt, shape_of


def main() -> None:
    library = load_tensorrt("tensorrt")
    trt = library.module
    library.load_standard_plugins()
    monitor = create_monitor(library, SilentListener(), Cancellation())
    monitor.phase_start("build", None, 3)
    levels = (hardware_level(library, name) for name in HARDWARE_COMPATIBILITIES)
    facts = {
        "version": library.version,
        "network flags": library.network_flags(),
        "strong typing": int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED),
        "TF32": str(library.member("BuilderFlag", "TF32")),
        "hardware levels": [level.name for level in levels if level is not None],
        "compute capabilities": library.compute_capabilities(),
        "errors": _errors_of_each_severity(library),
        "callbacks": {
            type(item).__mro__[1].__name__: _unknown_methods(type(item)) for item in (monitor, library.logger.native)
        },
        "the monitor lets the build go on": monitor.step_complete("build", 1),
        "types": {name: dtype_name(member) for name, member in trt.DataType.__members__.items()},
        "unknown types": sorted(set(DTYPES) - set(trt.DataType.__members__)),
        "shape": shape_of(trt.Dims([1, -1, 3])),
        "no builder": _refusal(lambda: parse_network(library, b"", "x.onnx")),
        "no runtime": _refusal(lambda: create_runtime(library)),
        "enums": _enums(trt),
    }
    print(json.dumps(facts))


def _errors_of_each_severity(library: TensorRTLibrary) -> list[str]:
    """The names of those that count as errors."""
    severities = library.module.ILogger.Severity.__members__
    with library.logger.collecting() as errors:
        for name, severity in severities.items():
            library.logger.native.log(severity, name)
    return errors.messages


def _unknown_methods(kind: type) -> list[str]:
    """Methods of a class of ours that its base, which is TensorRT's, does not have."""
    base = kind.__mro__[1]
    assert base.__module__.startswith("tensorrt_bindings"), base
    return [name for name in vars(kind) if not name.startswith("__") and not hasattr(base, name)]


def _refusal(call: Any) -> str:
    try:
        call()
    except YolactDeployError as error:
        return str(error)
    return "none"


def _enums(trt: Any) -> dict[str, dict[str, int]]:
    kinds = {name: getattr(trt, name) for name in dir(trt)} | {"Severity": trt.ILogger.Severity}
    return {
        name: {member: int(value) for member, value in kind.__members__.items()}
        for name, kind in kinds.items()
        if hasattr(kind, "__members__")
    }


if __name__ == "__main__":
    main()
