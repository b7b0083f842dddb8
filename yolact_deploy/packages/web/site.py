"""One folder for any static web server: a page, the model unchanged, and onnxruntime-web."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..._version import __version__
from ...artifacts.metadata import ModelMetadata
from ...draw import MASK_OPACITY, PALETTE
from ...errors import ModelFileError
from ...files import check_no_input
from ..folders import write_folders
from ..model import ModelFile, read_model_file
from .runtime import check_runtime, copy_runtime

PAGE = Path(__file__).parent / "page"
MODEL_FILE = "model.onnx"


@dataclass(frozen=True)
class WebOptions:
    """Where the page goes, and where its runtime comes from."""

    output: Path
    shown_from: float  # where the page's threshold stands at first
    runtime_dir: Path | None = None  # the folder dist of onnxruntime-web; None: ask npm
    force: bool = False  # replace a folder that an earlier run wrote


@dataclass(frozen=True)
class WebPackage:
    """What was written."""

    folder: Path
    size_bytes: int  # of all files: what a first visit loads


def package_web(model: Path, options: WebOptions) -> WebPackage:
    """Write the page for the exported file `model`.

    Raises ModelFileError for a file that a browser cannot run, OutputError as `write_folders`, YolactDeployError and
    MissingDependencyError as `copy_runtime`. Nothing is kept then.
    """
    file = read_model_file(model)
    _check(file)
    check_no_input(options.output, (model,))
    if options.runtime_dir is not None:
        check_runtime(options.runtime_dir)

    def fill(folder: Path) -> None:
        shutil.copytree(PAGE, folder, dirs_exist_ok=True)
        shutil.copyfile(model, folder / MODEL_FILE)
        (folder / "model.json").write_text(json.dumps(_description(file.metadata, options), indent=1), encoding="utf-8")
        (folder / "runtime").mkdir()
        copy_runtime(options.runtime_dir, folder / "runtime")

    write_folders({options.output: fill}, options.force)
    size = sum(path.stat().st_size for path in options.output.rglob("*") if path.is_file())
    return WebPackage(options.output, size)


def _check(file: ModelFile) -> None:
    """Raises ModelFileError for what the page cannot feed or the browser cannot run."""
    if file.manifest is not None:
        raise ModelFileError(f"{file.path} is an engine, and a browser runs ONNX files: name the .onnx file")
    if file.metadata.input_kind != "image":
        raise ModelFileError(
            f"{file.path} was exported with --input {file.metadata.input_kind}, and the page gives it a picture: "
            "export it without --input"
        )
    if file.input.min[0] > 1:
        raise ModelFileError(
            f"{file.path} takes {file.input.min[0]} images per call, the page has one: export it without --batch"
        )


def _description(metadata: ModelMetadata, options: WebOptions) -> dict[str, object]:
    """What the page must know of the model."""
    return {
        "name": metadata.config.name,
        "file": MODEL_FILE,
        "precision": metadata.precision,
        "class_names": metadata.config.class_names,
        "masks": metadata.mask_size,
        "resize": metadata.config.resize,
        "thresholds": metadata.thresholds,
        "shown_from": options.shown_from,
        "palette": [f"#{red:02x}{green:02x}{blue:02x}" for blue, green, red in PALETTE],
        "mask_opacity": MASK_OPACITY,
        "made_by": f"yolact-deploy {__version__}",
    }
