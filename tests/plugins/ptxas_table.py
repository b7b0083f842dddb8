"""plugins/ptxas.md: what each kernel takes of a multiprocessor, from the compiler and from the launchers.

    python -m tests.plugins.ptxas_table     # writes it anew

Registers may move a little with another nvcc; everything else follows from the source, and has to be as it is written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.plugins.host_build import PLUGINS, HostBuild, LaunchShape, compile_host_build
from yolact_deploy.trt.plugin_build import KernelUsage, build_plugins
from yolact_deploy.trt.plugin_toolchain import ARCHITECTURES

TABLE = PLUGINS / "ptxas.md"
COMMAND = "python -m tests.plugins.ptxas_table"
REGISTER_SLACK = 16  # they are given out eight at a time
HEADER = ("kernel", "threads", "dynamic shared memory", "static shared memory", "spilled")


@dataclass(frozen=True)
class KernelNeeds:
    """A row of the table."""

    kernel: str  # such as "filter_kernel<float>"
    threads: int  # a block
    dynamic_bytes: int  # shared memory a block, asked for at the launch
    static_bytes: int  # the most on any GPU
    spill_bytes: int  # the most on any GPU
    registers: dict[str, int]  # a thread, by GPU, such as "sm_87"


def measure(usage: Sequence[KernelUsage], host_build: HostBuild) -> list[KernelNeeds]:
    """The table's rows, by kernel."""
    shapes = launch_shapes(host_build)
    rows = []
    for kernel in sorted({entry.kernel for entry in usage}):
        entries = [entry for entry in usage if entry.kernel == kernel]
        shape = shapes[kernel.partition("_kernel")[0]]
        rows.append(
            KernelNeeds(
                kernel,
                shape.threads,
                shape.shared_bytes,
                max(entry.shared_bytes for entry in entries),
                max(entry.stack_bytes + entry.spill_bytes for entry in entries),
                {entry.architecture: entry.registers for entry in entries},
            )
        )
    return rows


def launch_shapes(host_build: HostBuild) -> dict[str, LaunchShape]:
    """By kernel, for COCO at 550 px: 19,248 priors, 80 classes, 32 prototypes of 138x138, images of 640x480."""
    shapes = host_build.fast_nms_shapes(priors=19248, classes=80, coefs=32)
    return shapes | host_build.mask_shapes(height=138, width=138, coefs=32, masks=100, image=(480, 640))


def render(rows: Sequence[KernelNeeds], cuda: str) -> str:
    """The whole file."""
    gpus = [f"sm_{number}" for number in ARCHITECTURES]
    table = [(*HEADER, *gpus), ("---",) * (len(HEADER) + len(gpus))]
    for row in rows:
        numbers = (row.threads, row.dynamic_bytes, row.static_bytes, row.spill_bytes)
        table.append((f"`{row.kernel}`", *map(str, numbers), *(str(row.registers[gpu]) for gpu in gpus)))
    lines = "\n".join(f"| {' | '.join(cells)} |" for cells in table)
    return f"""# What the kernels use

Threads and bytes of shared memory per block, bytes of registers that spill, and registers per thread on each GPU, as
ptxas of CUDA {cuda} reports them. Dynamic shared memory is for 19,248 priors, 80 classes, 32 prototypes of 138x138 px
and images of 640x480 px. Written by `{COMMAND}`, and compared with the source by the tests.

{lines}
"""


def parse(text: str) -> list[KernelNeeds]:
    """The rows of `render`'s text."""
    header, _, *lines = [line for line in text.splitlines() if line.startswith("|")]
    gpus = _cells(header)[len(HEADER) :]
    rows = []
    for line in lines:
        kernel, *numbers = _cells(line)
        threads, dynamic, static, spilled, *registers = map(int, numbers)
        by_gpu = dict(zip(gpus, registers, strict=True))
        rows.append(KernelNeeds(kernel.strip("`"), threads, dynamic, static, spilled, by_gpu))
    return rows


def differences(written: Sequence[KernelNeeds], measured: Sequence[KernelNeeds]) -> list[str]:
    """What is no longer true in the table, in words; an nvcc that knows fewer GPUs is no reason."""
    found = []
    if [row.kernel for row in written] != [row.kernel for row in measured]:
        return [f"the kernels are {', '.join(row.kernel for row in measured)}"]
    for old, new in zip(written, measured, strict=True):
        found += [
            f"{new.kernel}: {name} is {getattr(new, name)}, not {getattr(old, name)}"
            for name in ("threads", "dynamic_bytes", "static_bytes", "spill_bytes")
            if getattr(old, name) != getattr(new, name)
        ]
        for gpu, registers in new.registers.items():
            if gpu not in old.registers:
                found.append(f"{new.kernel}: there is no {gpu}")
            elif abs(registers - old.registers[gpu]) > REGISTER_SLACK:
                found.append(f"{new.kernel}: {registers} registers on {gpu}, not {old.registers[gpu]}")
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def main() -> None:
    """Compile everything and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        everything = ",".join(map(str, ARCHITECTURES))
        build = build_plugins(everything, output=Path(folder) / "libyolact_plugins.so", strict=True)
        rows = measure(build.usage, compile_host_build(Path(folder)))
    TABLE.write_text(render(rows, build.record.cuda))


if __name__ == "__main__":
    main()
