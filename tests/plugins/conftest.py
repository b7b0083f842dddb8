"""The host build, compiled once."""

from __future__ import annotations

import pytest

from tests.plugins.host_build import HostBuild, compile_host_build


@pytest.fixture(scope="session")
def host_build(tmp_path_factory: pytest.TempPathFactory) -> HostBuild:
    """Both operators on the host."""
    return compile_host_build(tmp_path_factory.mktemp("host_build"))
