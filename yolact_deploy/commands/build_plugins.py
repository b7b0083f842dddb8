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
            help="Compute capabilities to compile for, such as 87,89 (87: Orin, 110: Thor; default: the GPU here). "
            "GPUs newer than the last one compile the kernels when they load.",
        ),
    ] = None,
    tensorrt_include: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of TensorRT's headers (default: searched for).")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Library to write (default: in the user's cache)."),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Compile the TensorRT plugins for Fast NMS and mask assembly."""
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
