"""The models that a benchmark measures: which they are, and whether they fit the data, the options and each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from yolact_deploy.artifacts.kinds import Kind, is_checkpoint, kind_of
from yolact_deploy.artifacts.manifest import manifest_path
from yolact_deploy.artifacts.runtime_choice import RuntimeChoice
from yolact_deploy.benchmarks.accuracy.classes import ClassMapping, map_classes
from yolact_deploy.benchmarks.accuracy.dataset import Dataset, bundled_nano
from yolact_deploy.benchmarks.options import BenchOptions
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import ModelFileError, YolactDeployError
from yolact_deploy.predictor import Predictor


def choose_models(options: BenchOptions) -> tuple[list[Path], Path | None]:
    """The files to measure, each once, and which of them is the reference.

    Raises YolactDeployError when there is nothing to measure, ModelFileError for a file that is not there.
    """
    given = list(options.models)
    if options.reference and options.reference.resolve() not in {path.resolve() for path in given}:
        given.insert(0, options.reference)
    if not given:
        raise YolactDeployError(
            f"no model to measure: name a checkpoint or an exported file, such as {bundled_nano().weights}"
        )
    unique: dict[Path, Path] = {}  # by what they really are
    for path in given:
        file = RuntimeChoice.parse(path).file
        if not file.is_file():
            raise ModelFileError(f"no such file: {file}")
        unique.setdefault(path.resolve(), path)
    if options.plugins is not None and not any(_is_engine(path) for path in unique.values()):
        raise YolactDeployError("--plugins is for engines, and no model is one: leave it out")
    if options.family is not None and not any(is_checkpoint(path) for path in unique.values()):
        raise YolactDeployError("--family is for checkpoints, and no model is one: leave it out")
    if options.reference:
        return list(unique.values()), unique[options.reference.resolve()]
    checkpoints = [path for path in unique.values() if is_checkpoint(path)]
    return list(unique.values()), checkpoints[0] if len(checkpoints) == 1 else None


def model_names(paths: Sequence[Path]) -> dict[Path, str]:
    """File names, or whole paths where two are alike."""
    names = [path.name for path in paths]
    return {path: path.name if names.count(path.name) == 1 else str(path) for path in paths}


def check_models(paths: Sequence[Path], options: BenchOptions, dataset: Dataset) -> dict[Path, ClassMapping]:
    """Open every model once, so that a bad one is found before hours are spent on the others."""
    configs = {}
    for path in paths:
        with open_model(path, options) as predictor:
            configs[path] = predictor.metadata.config
            check_batch(predictor, path, options.batch)
    counts = {config.num_classes for config in configs.values()}
    if len(counts) > 1:
        listed = ", ".join(f"{path.name} has {config.num_classes}" for path, config in configs.items())
        raise ModelFileError(f"models of different class counts cannot be compared: {listed}")
    named = [config.class_names for config in configs.values() if not config.has_generic_names]
    names = options.class_names or (named[0] if named else None)

    def with_names(config: ModelConfig) -> ModelConfig:
        return config.with_class_names(names) if names and config.has_generic_names else config

    return {
        path: map_classes(with_names(config), dataset.categories, dataset.object_counts, options.strict)
        for path, config in configs.items()
    }


def check_batch(predictor: Predictor, path: Path, batch: int | None) -> None:
    """Raises ModelFileError when the file takes another number of images per call, or fewer."""
    if batch is None:
        return
    fixed = getattr(predictor.runtime, "batch_size", None)
    profile = getattr(predictor.runtime, "input_range", None)  # of an engine
    largest: int = batch if profile is None else profile.max[0]
    if fixed in (None, batch) and batch <= largest:
        return
    takes = f"up to {largest}" if fixed is None else str(fixed)
    advice = (
        f"export it with --batch dynamic or --batch {batch}"
        if profile is None
        else f"rebuild the engine with --batch 1,{batch},{max(batch, largest)}"
    )
    raise ModelFileError(f"{path} takes {takes} {'image' if fixed == 1 else 'images'} per call, not {batch}: {advice}")


def open_model(path: Path, options: BenchOptions, threads: int | None = None) -> Predictor:
    """The model as `options` want it. threads: instead of those of the options."""
    return Predictor.open(
        path,
        device=options.device,
        threads=threads or options.threads,
        class_names=options.class_names,
        config=config_of(path, options),
        trust=options.trust,
        plugins=plugins_of(path, options),
        family=family_of(path, options),
    )


def config_of(path: Path, options: BenchOptions) -> ModelConfig | None:
    """The configuration that the options give to checkpoints and trusted engines; other files bring their own."""
    is_bare = options.trust and _is_engine(path) and not manifest_path(path).exists()
    return options.config if is_bare or is_checkpoint(path) else None


def plugins_of(path: Path, options: BenchOptions) -> Path | None:
    """The plugin library that the options give to engines."""
    return options.plugins if _is_engine(path) else None


def family_of(path: Path, options: BenchOptions) -> str | None:
    """The family that the options give to checkpoints."""
    return options.family if is_checkpoint(path) else None


def _is_engine(path: Path) -> bool:
    return kind_of(RuntimeChoice.parse(path).file) is Kind.ENGINE
