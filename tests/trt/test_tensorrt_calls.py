"""Every name and call of TensorRT's that this project uses, proved on the Python module of each release.

Nothing is built or run here: the modules are real, the library behind them is not (tests/real_tensorrt/install.py).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.real_tensorrt.releases import BINDINGS, Release
from tests.real_tensorrt.type_check import callers, type_errors

pytest.importorskip("mypy", reason="mypy is not installed")

WRONG = """
import tensorrt as trt

def wrong(
    builder: trt.Builder, logger: trt.ILogger, config: trt.IBuilderConfig, context: trt.IExecutionContext
) -> None:
    builder.build_engine(1)
    builder.create_network(1, 2)
    builder.create_network(flags="strong")
    config.set_flag(trt.BuilderFlag.FP17)
    config.set_memory_pool_limit(1, trt.MemoryPoolType.WORKSPACE)
    config.profiling_verbosity = 3
    config.builder_optimisation_level = 3
    context.execute_async_v3()
    context.set_tensor_address("image", address=1)
    trt.get_plugin_registry().load_libraries("x")
    trt.OnnxParser(logger)
    memoryview(builder.build_serialized_network(builder.create_network(), config)).size
"""
FIRST_WRONG_LINE = 7


@pytest.fixture(scope="module", params=BINDINGS, ids=lambda release: release.name)
def release(request: pytest.FixtureRequest) -> Release:
    return request.param if request.param.is_installed else pytest.skip(request.param.missing)


def test_every_call_exists(release: Release) -> None:
    assert type_errors(release, callers()) == []


def test_calls_that_do_not_exist_are_found(release: Release, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG)
    lines = {int(error.split(":")[1]) for error in type_errors(release, [wrong])}
    assert lines == set(range(FIRST_WRONG_LINE, WRONG.count("\n") + 1))


def test_the_callers_are_found() -> None:
    names = {path.name for path in callers()}
    assert {"builder.py", "timing_cache.py", "engine_file.py", "engine_session.py", "library.py"} <= names


@pytest.fixture(scope="module")
def facts(release: Release) -> dict[str, Any]:
    done = release.run(["-m", "tests.real_tensorrt.probe"])
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def test_strong_typing_is_asked_for_by_the_bit_of_its_name(facts: dict[str, Any], release: Release) -> None:
    assert facts["strong typing"] == (1 if release.major == 10 else 0)
    assert facts["network flags"] == 1 << facts["strong typing"]


def test_names_that_are_looked_up_as_text(facts: dict[str, Any], release: Release) -> None:
    assert facts["version"].startswith(release.version)
    assert facts["TF32"] == "BuilderFlag.TF32"
    # `build-engine` refuses a level that a release does not have.
    assert (
        facts["hardware levels"]
        == ["AMPERE_PLUS", "SAME_COMPUTE_CAPABILITY"][: 1 if release.version == "10.3.0" else 2]
    )
    assert facts["compute capabilities"] == {}  # of TensorRT for RTX alone
    assert facts["unknown types"] == []
    assert (facts["types"]["HALF"], facts["types"]["FP8"]) == ("float16", "fp8")
    assert facts["shape"] == [1, -1, 3]


def test_what_the_library_calls_back(facts: dict[str, Any]) -> None:
    assert facts["callbacks"] == {"IProgressMonitor": [], "ILogger": []}
    assert facts["the monitor lets the build go on"]
    assert facts["errors"] == ["INTERNAL_ERROR", "ERROR"]


def test_a_library_that_returns_nothing_is_one_line(facts: dict[str, Any]) -> None:
    """As without a driver; the module turns null into a TypeError."""
    for what in ("no builder", "no runtime"):
        assert "does not start" in facts[what]
        assert "see `yolact-deploy doctor`" in facts[what]
