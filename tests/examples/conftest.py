"""The C++ example, compiled once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.cpp_build import Example, build_example, example_in
from tests.once import made_once
from yolact_deploy.errors import MissingDependencyError
from yolact_deploy.trt.plugin_toolchain import find_headers, find_nvcc


@pytest.fixture(scope="session")
def example(run_folder: Path) -> Example:
    """The program, with checks for memory errors, leaks and undefined behaviour."""
    try:
        nvcc, headers = find_nvcc(), find_headers()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    return example_in(made_once(run_folder / "example", lambda folder: build_example(nvcc, headers, folder)))
