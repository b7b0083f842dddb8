"""`yolact-deploy export`: checkpoint -> one end-to-end ONNX file, proved against PyTorch before it gets its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolact_deploy._version import __version__
from yolact_deploy.artifacts.metadata import (
    IMAGE_INPUTS,
    IMAGE_SIZE_MASKS,
    INPUT_KINDS,
    MASK_SIZES,
    PROTOTYPE_SIZE_MASKS,
    ModelMetadata,
)
from yolact_deploy.checkpoints.reader import Checkpoint, read_checkpoint
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.config.thresholds import GivenThresholds
from yolact_deploy.dependencies import require
from yolact_deploy.errors import ConfigError, warn_assumed
from yolact_deploy.export.steps import check_export as check_steps
from yolact_deploy.files import check_no_input, check_output_path, write_bytes
from yolact_deploy.images import read_image, sample_image
from yolact_deploy.types import Image

if TYPE_CHECKING:
    from yolact_deploy.export.graph.check import ExportCheck


@dataclass(frozen=True)
class ExportOptions:
    """What to export, and how."""

    output: Path
    config: ModelConfig | None = None  # None: found from the checkpoint
    family: str | None = None  # the code that wrote the checkpoint; None: found from its tensors
    num_classes: int | None = None  # None: from the checkpoint
    class_names: tuple[str, ...] | None = None  # None: the configuration's
    input_kind: str = IMAGE_INPUTS  # one of metadata.INPUT_KINDS
    mask_size: str = PROTOTYPE_SIZE_MASKS  # one of metadata.MASK_SIZES
    batch: int | None = 1  # None: dynamic
    postprocess: PostprocessConfig | None = None  # None: the rules of the checkpoint's family
    rules: Mapping[str, Any] = field(default_factory=dict)  # fields of PostprocessConfig to change in these rules
    thresholds: GivenThresholds | None = None  # lowest scores by class name, for whoever runs the file
    deform_conv: str = "gridsample"  # one of deform_conv.FORM_CHOICES; matters to YOLACT++ alone
    inline: bool = False  # standard operators only, no domain nodes and no functions
    check_image: Path | None = None  # None: a bundled picture
    force: bool = False  # replace an existing file

    def check(self) -> None:
        """Raises ConfigError for what no export could do."""
        if self.input_kind not in INPUT_KINDS:
            raise ConfigError(f"unknown input {self.input_kind!r}: use one of {', '.join(INPUT_KINDS)}")
        if self.mask_size not in MASK_SIZES:
            raise ConfigError(f"unknown size of masks {self.mask_size!r}: use one of {', '.join(MASK_SIZES)}")
        if self.mask_size == IMAGE_SIZE_MASKS and self.input_kind != IMAGE_INPUTS:
            raise ConfigError(
                f"masks at the image's size need the image in the graph, and input {self.input_kind} leaves it out: "
                "use --input image, or --masks prototype"
            )
        if self.batch is not None and self.batch < 1:
            raise ConfigError(f"batch {self.batch}: 1 or more, or dynamic")


@dataclass(frozen=True)
class ExportResult:
    """What was written, and how well it agrees with PyTorch."""

    path: Path  # the output, or a name beside it that says so when the check failed
    metadata: ModelMetadata
    check: ExportCheck


Tell = Callable[[str], object]  # takes one line about what begins now


def export_onnx(weights: Path, options: ExportOptions, tell: Tell = lambda text: None) -> ExportResult:
    """Export a checkpoint to `options.output`.

    The file is written whole, after PyTorch and ONNX Runtime have run on an image; when they differ by more than the
    tolerances it is kept as NAME.failed-check.onnx and `result.check.passed` is False. tell: hears of each step.

    Raises YolactDeployError for bad options, an unusable checkpoint or image, or an output that cannot be written.
    """
    options.check()
    check_steps(weights, options.output)
    check_no_input(options.output, [weights, options.check_image])
    output = check_output_path(options.output, options.force)
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require(package, "exporting")
    from yolact_deploy.export.graph.deform_conv import chosen_form  # this needs them

    options = replace(options, deform_conv=chosen_form(options.deform_conv))
    image = read_image(options.check_image) if options.check_image is not None else sample_image()
    tell(f"reading {weights}")
    checkpoint = read_checkpoint(weights, options.config, options.num_classes, options.class_names, options.family)
    return _export(checkpoint, options, output, image, tell)


def _export(checkpoint: Checkpoint, options: ExportOptions, output: Path, image: Image, tell: Tell) -> ExportResult:
    from yolact_deploy.export.graph.assemble import PROTOTYPE_MASKS, build_model, with_standard_operators
    from yolact_deploy.export.graph.check import check_export  # these need the packages that were asked for above
    from yolact_deploy.export.graph.mask_scores import export_mask_scores
    from yolact_deploy.export.graph.network import export_network

    config, batch = checkpoint.config, options.batch
    postprocess = replace(options.postprocess or checkpoint.postprocess, **options.rules).for_model(config)
    metadata = ModelMetadata(
        config=config,
        postprocess=postprocess,
        input_kind=options.input_kind,
        precision="fp32",
        checkpoint_name=checkpoint.path.name,
        checkpoint_sha256=checkpoint.sha256,
        tool_version=__version__,
        deform_conv=options.deform_conv if config.backbone.deformable_blocks else "none",
        mask_size=options.mask_size,
    ).with_thresholds(options.thresholds)
    model = checkpoint.build()
    tell(f"exporting {config.name}, {config.num_classes} classes, {config.image_size} px")
    network = export_network(model, batch, metadata.deform_conv)
    mask_scores = None
    if model.maskiou_net is not None:
        masks = PROTOTYPE_MASKS if metadata.mask_size == IMAGE_SIZE_MASKS else "masks"
        mask_scores = export_mask_scores(model.maskiou_net, config, postprocess, batch, masks)
    exported = build_model(network, metadata, batch, mask_scores)
    if options.inline:
        exported = with_standard_operators(exported)
        warn_assumed("standard operators only: TensorRT plugins have nothing to attach to in this file")
    tell("checking that ONNX Runtime finds what PyTorch finds")
    check = check_export(model, exported, postprocess, image, batch)
    path = output if check.passed else output.with_name(f"{output.stem}.failed-check{output.suffix}")
    write_bytes(path, exported.SerializeToString())
    return ExportResult(path, metadata, check)
