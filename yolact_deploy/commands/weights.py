"""`yolact-deploy weights list` and `yolact-deploy weights pull NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import console
from ..checkpoints.releases import (
    BASE_URL,
    BASE_URL_VARIABLE,
    CHUNK_BYTES,
    DEFAULT_FOLDER,
    TIMEOUT_SECONDS,
    LocalWeights,
    find_release,
    list_local,
    pull,
    without_secrets,
)
from .options import Json, Verbose

MAX_TIMEOUT_SECONDS = 86_400  # a day
SHORT_SHA256 = 12  # digits shown without -v
JSON_MARK = '"about_bytes": '  # in the JSON of `weights list`

app = typer.Typer(help="The official checkpoints.", invoke_without_command=True)

Folder = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the checkpoints; default weights.")
]
BaseUrl = Annotated[
    str,
    typer.Option(
        "--url", envvar=BASE_URL_VARIABLE, help="Mirror with the same paths; default Hugging Face.", metavar="URL"
    ),
]


@app.callback()
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_releases(
    folder: Folder = DEFAULT_FOLDER, url: BaseUrl = BASE_URL, json: Json = None, verbose: Verbose = False
) -> None:
    """List the official checkpoints, and which of them are here."""
    console.check_target(json, marks=(JSON_MARK,))
    local = list_local(folder)
    if json is not None:
        console.emit_json([_as_dict(weights, url) for weights in local], json)
    if json == console.STDOUT:
        return
    console.show_table(
        ("name", "size", "here", "URL"),
        [
            (
                weights.release.config,
                console.size_text(weights.size_bytes or weights.release.about_bytes),
                _presence(weights, verbose),
                without_secrets(weights.release.url(url)),
            )
            for weights in local
        ],
        numbers=("size",),
    )


def _presence(weights: LocalWeights, verbose: bool) -> str:
    if weights.size_bytes is None:
        return "no"
    if weights.recorded_sha256 is None:
        return "yes, not recorded: pull records it"
    return f"yes, sha256 {weights.recorded_sha256 if verbose else weights.recorded_sha256[:SHORT_SHA256]}"


def _as_dict(weights: LocalWeights, url: str) -> dict[str, object]:
    return {
        "name": weights.release.file_name,
        "config": weights.release.config,
        "url": without_secrets(weights.release.url(url)),
        "about_bytes": weights.release.about_bytes,
        "path": str(weights.path),
        "size_bytes": weights.size_bytes,
        "sha256": weights.recorded_sha256,
    }


@app.command("pull")
def pull_release(
    name: Annotated[str, typer.Argument(help="A name from `weights list`, with or without _54_800000.pth.")],
    folder: Folder = DEFAULT_FOLDER,
    url: BaseUrl = BASE_URL,
    timeout: Annotated[
        float,
        typer.Option(
            min=1,
            max=MAX_TIMEOUT_SECONDS,
            help=f"Longest wait in seconds for each {CHUNK_BYTES >> 10} KiB.",
            metavar="SECONDS",
        ),
    ] = TIMEOUT_SECONDS,
    verbose: Verbose = False,
) -> None:
    """Download an official checkpoint, or check the one that is here. A file of something else is refused."""
    release = find_release(name)
    console.explain(f"from {without_secrets(release.url(url))}")
    with console.progress(release.file_name, is_bytes=True) as advance:
        pulled = pull(release, folder, url, advance, timeout)
    if pulled.was_downloaded:
        origin = "downloaded"
    else:
        origin = "here already, as recorded" if pulled.was_recorded else "here already, recorded now"
    console.say(f"{pulled.path}: {origin}, {console.size_text(pulled.size_bytes)}, sha256 {pulled.sha256}")
