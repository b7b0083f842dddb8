"""`yolact-deploy package triton MODEL -o REPO`, `package deepstream MODEL -o DIR` and `package web MODEL -o DIR`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import console
from .infer import SCORE
from .options import Force, Verbose

if TYPE_CHECKING:
    from ..packages.deepstream.package import DeepStreamPackage
    from ..packages.triton.repository import TritonPackage
    from ..packages.web.site import WebPackage

PIPELINE = (
    "gst-launch-1.0 nvstreammux name=mux batch-size=1 width=1920 height=1080 ! nvinfer "
    "config-file-path=config_infer.txt ! nvvideoconvert ! nvdsosd display-mask=1 ! nvvideoconvert ! autovideosink "
    "uridecodebin uri=file:///path/to/video.mp4 ! mux.sink_0"
)

app = typer.Typer(help="Pack a model for a server, a video pipeline or a browser.", invoke_without_command=True)

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file from `export`, or engine from `build-engine`.")]
EnginePlugins = Annotated[
    Path | None,
    typer.Option(
        "--plugins",
        metavar="FILE",
        help="Plugin library that the engine was built with (default: the one beside it, else that of build-plugins).",
    ),
]


@app.callback()
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("triton")
def triton(
    model: Model,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="REPO", help="Model repository; models of others in it stay.")
    ],
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the model in Triton (default: that of its configuration)."),
    ] = None,
    max_batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Most images that Triton puts into one call (default: 8, or what the file takes).",
        ),
    ] = None,
    score_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Leave detections below it out of the JSON, 0..1.")
    ] = 0.0,
    plugins: EnginePlugins = None,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Write a Triton model repository: the model itself, and a front that takes pictures and answers in JSON."""
    from ..packages.triton.repository import TritonOptions, package_triton

    options = TritonOptions(output, name, max_batch, score_threshold, plugins, force)
    _show_triton(package_triton(model, options))


def _show_triton(package: TritonPackage) -> None:
    batches = f"up to {package.max_batch} images per call" if package.max_batch else "batch as exported"
    console.say(f"{package.model_folder}: {package.backend}, {batches}; runs on: {package.suits}")
    front = package.repository / package.front_name
    console.say(f"{front}: picture in, JSON out; Triton's Python needs yolact-deploy")
    if package.tensorrt is not None:
        console.warn(f"the server must have TensorRT {package.tensorrt}, the version that built this engine")
    words = ["tritonserver", f"--model-repository={package.repository}", *package.server_options]
    console.say(f"start it with: {' '.join(words)}")


@app.command("deepstream")
def deepstream(
    model: Model,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")],
    batch: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Frames per call, one per stream (default: what an engine takes, else 1)."
        ),
    ] = None,
    score_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out detections with a lower score, 0..1.")
    ] = 0.3,
    plugins: EnginePlugins = None,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Write what DeepStream's nvinfer needs: configuration, labels, and the parser's sources."""
    from ..packages.deepstream.package import DeepStreamOptions, package_deepstream

    options = DeepStreamOptions(output, batch, score_threshold, plugins, force)
    _show_deepstream(package_deepstream(model, options))


def _show_deepstream(package: DeepStreamPackage) -> None:
    plugins = ", plugins" if package.has_plugins else ""
    console.say(f"{package.folder}: {package.model}{plugins}, batch {package.batch}; runs on: {package.suits}")
    if package.tensorrt is not None:
        console.warn(f"DeepStream must have TensorRT {package.tensorrt}, the version that built this engine")
    console.say("in that folder, where DeepStream is:")
    console.say("  cmake -S parser -B parser/build && cmake --build parser/build")
    console.say(f"  {PIPELINE}")


@app.command("web")
def web(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file from `export`.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")],
    score_threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Where the page's slider for the score stands at first, 0..1.")
    ] = SCORE,
    runtime_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder `dist` of the npm package onnxruntime-web (default: fetched by npm)."),
    ] = None,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Write a page that runs the model in the browser: for any static web server, and it uploads nothing."""
    from ..packages.web.site import WebOptions, package_web

    _show_web(package_web(model, WebOptions(output, score_threshold, runtime_dir, force)))


def _show_web(package: WebPackage) -> None:
    console.say(f"{package.folder}: {console.size_text(package.size_bytes)}")
    console.say(f"try it with: python3 -m http.server --directory {package.folder}, then open http://localhost:8000")
