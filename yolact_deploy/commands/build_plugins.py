"""`yolact-deploy build-plugins`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import console
from .options import Verbose


def run(
    arch: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="GPUs to compile for, such as 87,89 (87 Orin, 110 Thor); the one here if left out. Newer ones than "
            "the last run too, after compiling the kernels when they load.",
        ),
    ] = None,
    tensorrt_include: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="TensorRT's headers, where they are not found.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The library; in the user's cache if left out."),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Compile the TensorRT plugins, the fast path of Fast NMS and masks, for the GPU here or others."""
    from ..trt.plugin_build import build_plugins

    build = build_plugins(arch, tensorrt_include, output, listener=console.explain)
    console.show_table(
        ("kernel", "GPU", "registers", "stack bytes", "spilled bytes"),
        [
            (usage.kernel, usage.architecture, str(usage.registers), str(usage.stack_bytes), str(usage.spill_bytes))
            for usage in build.usage
        ],
    )
    record = build.record
    console.say(f"{build.path}: TensorRT {record.tensorrt}, CUDA {record.cuda}, {', '.join(record.architectures)}")
