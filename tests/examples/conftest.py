"""The C++ example, compiled once."""

from __future__ import annotations

import pytest

from tests.examples.cpp_build import Example, build_example
from yolact_deploy.errors import MissingDependencyError
from yolact_deploy.trt.plugin_toolchain import find_headers, find_nvcc


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """The program, with checks for memory errors, leaks and undefined behaviour."""
    try:
        nvcc, headers = find_nvcc(), find_headers()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    return build_example(nvcc, headers, tmp_path_factory.mktemp("example"))
