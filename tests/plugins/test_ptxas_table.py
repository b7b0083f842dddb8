"""The table of registers, shared memory and spills is true."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.plugins.host_build import HostBuild
from tests.plugins.ptxas_table import COMMAND, REGISTER_SLACK, TABLE, KernelNeeds, differences, measure, parse, render
from yolact_deploy.trt.plugin_build import PluginBuild

MOST_SHARED_BYTES = 48 * 1024  # what every GPU gives a block without being asked


@pytest.fixture(scope="module")
def written() -> list[KernelNeeds]:
    return parse(TABLE.read_text())


def test_the_table_is_up_to_date(written: list[KernelNeeds], plugin_build: PluginBuild, host_build: HostBuild) -> None:
    found = differences(written, measure(plugin_build.usage, host_build))
    assert not found, f"{'; '.join(found)}: run `{COMMAND}`"


def test_nothing_spills_and_everything_fits(written: list[KernelNeeds]) -> None:
    assert len(written) == 12
    for row in written:
        assert row.spill_bytes == 0
        assert 0 < row.dynamic_bytes + row.static_bytes <= MOST_SHARED_BYTES


def test_what_is_written_is_read_again(written: list[KernelNeeds]) -> None:
    assert parse(render(written, "13.0")) == written
    assert differences(written, written) == []


@pytest.mark.parametrize("name", ["threads", "dynamic_bytes", "static_bytes", "spill_bytes"])
def test_other_numbers_are_noticed(written: list[KernelNeeds], name: str) -> None:
    changed = [replace(written[0], **{name: getattr(written[0], name) + 4}), *written[1:]]
    assert differences(written, changed) == [
        f"{written[0].kernel}: {name} is {getattr(changed[0], name)}, not {getattr(written[0], name)}"
    ]


def test_registers_may_move_a_little(written: list[KernelNeeds]) -> None:
    def moved(by: int) -> list[KernelNeeds]:
        first = written[0]
        return [replace(first, registers={gpu: count + by for gpu, count in first.registers.items()}), *written[1:]]

    assert differences(written, moved(REGISTER_SLACK)) == []
    assert len(differences(written, moved(REGISTER_SLACK + 1))) == len(written[0].registers)


def test_kernels_and_gpus_that_come_and_go(written: list[KernelNeeds]) -> None:
    first = written[0]
    fewer = [replace(first, registers={"sm_87": first.registers["sm_87"]}), *written[1:]]
    assert differences(written, fewer) == []
    more = [replace(first, registers={**first.registers, "sm_130": 40}), *written[1:]]
    assert differences(written, more) == [f"{first.kernel}: there is no sm_130"]
    assert "the kernels are" in differences(written, written[1:])[0]
