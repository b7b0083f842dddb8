"""`model.engine.json`: what an engine was built from, with what and for what, so that nobody runs the wrong one.

The engine itself stays a plain plan, which every TensorRT tool reads. The manifest catches mix-ups; it is no
signature, and whoever can replace both files can make the pair fit.
"""

from __future__ import annotations

import json
import re
import reprlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..config.plain_values import parse_json
from ..config.values import checked_fields
from ..errors import ConfigError, ModelFileError
from ..files import sha256_of
from ..machine import DATA_CENTRE_CARDS, JETSONS, GpuInfo, Machine, runtime_title
from .metadata import ModelMetadata
from .rebuilding import build_command

MANIFEST_SUFFIX = ".json"  # after the engine's whole name
FORMAT = "1"  # grows when a reader of this version could misread a manifest
MAX_FILE_BYTES = 1 << 20  # 1 MiB
MAX_TEXT_LENGTH = 4096  # characters: a path
MAX_SIZE = 1 << 31  # of a dimension
RUNTIMES = ("tensorrt", "tensorrt-rtx")
HARDWARE_COMPATIBILITIES = ("none", "ampere+", "same-compute-capability")


@dataclass(frozen=True)
class FileRecord:
    """A file at the time of the build."""

    name: str  # as it was given
    sha256: str


@dataclass(frozen=True)
class PluginRecord:
    """The plugin library at the time of the build. It may lie elsewhere when the engine is opened."""

    name: str  # of the file, without its folder; version 0.1.0 wrote a whole path
    sha256: str
    source_version: str = ""  # of the sources that it was compiled from; empty: not known, as in version 0.1.0
    tensorrt: str = ""  # the major version that it was compiled for; empty in version 0.1.0


@dataclass(frozen=True)
class TensorRange:
    """An input or output of an engine. Fixed shapes have equal `min`, `opt` and `max`."""

    name: str
    dtype: str  # NumPy's name
    min: tuple[int, ...]
    opt: tuple[int, ...]
    max: tuple[int, ...]

    @property
    def is_fixed(self) -> bool:
        """Whether only one shape is possible."""
        return self.min == self.max

    def describe(self) -> str:
        """Such as "[1,64,64,3] to [1,1080,1920,3]"."""
        low, high = (str(list(shape)).replace(" ", "") for shape in (self.min, self.max))
        return low if self.is_fixed else f"{low} to {high}"


@dataclass(frozen=True)
class Manifest:
    """Everything that is known of an engine."""

    metadata: ModelMetadata  # of the model; `precision` is that of the engine
    engine: FileRecord
    onnx: FileRecord
    plugins: PluginRecord | None  # the plugin library, where its nodes are plugins
    built_on: Machine
    compute_capabilities: tuple[str, ...]  # that were asked for; empty: the library's default, or the GPU of the build
    version_compatible: bool
    hardware_compatibility: str  # one of HARDWARE_COMPATIBILITIES
    inputs: tuple[TensorRange, ...]
    outputs: tuple[TensorRange, ...]
    options: dict[str, Any]  # of the build
    seconds: float  # that it took
    tool_version: str

    @property
    def command(self) -> str:
        """The command line that rebuilds the engine, of checked values alone: nobody's text comes back as advice."""
        has_no_plugins = self.plugins is None and self.built_on.runtime == "tensorrt"
        return build_command(self.onnx.name, self.engine.name, self.options, has_no_plugins)

    def to_json(self) -> str:
        """The text of the file. `command` is there for people, and is not read back."""
        values = {name: value for name, value in vars(self).items() if name != "metadata"}
        plain = {
            name: asdict(value) if hasattr(value, "__dataclass_fields__") else value for name, value in values.items()
        }
        plain["inputs"] = [asdict(tensor) for tensor in self.inputs]
        plain["outputs"] = [asdict(tensor) for tensor in self.outputs]
        plain["checkpoint"] = asdict(FileRecord(self.metadata.checkpoint_name, self.metadata.checkpoint_sha256))
        plain["command"] = self.command
        return json.dumps({"format": FORMAT, **plain, "model": self.metadata.to_props()}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, source: object) -> Manifest:
        """The inverse of `to_json`; `source` names the file in errors.

        Raises ModelFileError when it is damaged, not ours or of a newer format.
        """
        try:
            values = parse_json(text)
            if not isinstance(values, dict) or "format" not in values:
                raise ModelFileError(f"{source} is no manifest of yolact-deploy: build the engine again")
            if values["format"] != FORMAT:
                raise ModelFileError(
                    f"{source} has format {str(values['format'])[:20]}, this version reads {FORMAT}: "
                    "update yolact-deploy, or build the engine again"
                )
            return _parse(values, source)
        except KeyError as error:
            reason = f"it lacks {error.args[0]}"
        except (TypeError, ValueError, ConfigError) as error:
            reason = str(error)
        raise ModelFileError(f"{source} is damaged ({reason}): build the engine again")

    @classmethod
    def read(cls, engine: Path) -> Manifest:
        """The manifest beside `engine`. Raises ModelFileError when it is missing or cannot be used."""
        path = manifest_path(engine)
        try:
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
            if len(data) > MAX_FILE_BYTES:
                raise ValueError(f"more than {MAX_FILE_BYTES} bytes")
            text = data.decode("utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ModelFileError(f"cannot read {path} ({reason}): build the engine again") from None
        return cls.from_json(text, path)

    def check_file(self, engine: Path) -> None:
        """Raises ModelFileError when `engine` is not, byte for byte, the file that this manifest was written for."""
        if sha256_of(engine) != self.engine.sha256:
            raise self._refusal(engine, "is another file than the one that its manifest describes, or a truncated one")

    def check_library(self, engine: Path, runtime: str, version: str) -> None:
        """Raises ModelFileError when the library here cannot run this engine."""
        built = self.built_on
        same = built.runtime == runtime and _release(built.version) == _release(version)
        newer = self.version_compatible and built.runtime == runtime and _release(built.version) <= _release(version)
        if not same and not newer:
            raise self._refusal(
                engine, f"was built with {built.describe()}; here is {runtime_title(runtime)} {version}"
            )

    @property
    def machines(self) -> str:
        """Which machines run this engine, for people."""
        built = self.built_on
        if built.runtime == "tensorrt-rtx":
            wanted = ", ".join(self.compute_capabilities) or "8.0 or later"
            return f"RTX desktop cards with compute capability {wanted}; no Jetson, no data-centre card"
        gpus = {
            "none": built.gpu or "GPUs of the kind that built it",
            "ampere+": "GPUs with compute capability 8.0 or later",
            "same-compute-capability": f"GPUs with compute capability {built.compute_capability or 'as on the build'}",
        }[self.hardware_compatibility]
        return f"{gpus}, with TensorRT {built.version}{' or later' if self.version_compatible else ''}"

    def check_gpu(self, engine: Path, gpu: GpuInfo) -> None:
        """Raises ModelFileError when this engine was built for other GPUs than `gpu`."""
        if self.built_on.runtime == "tensorrt-rtx":
            here, wanted = gpu.compute_capability, self.compute_capabilities
            is_rtx_card = here not in (*JETSONS, *DATA_CENTRE_CARDS)
            # Without a choice it builds for compute capability 8.0 and everything later.
            fits = here in wanted if wanted else is_rtx_card and _release(here) >= (8, 0)
            target = self.machines
        else:
            fits = self._fits_gpu_of_build(gpu)
            target = f"{self.built_on.gpu} (compute capability {self.built_on.compute_capability})"
        if not fits:
            here = f"{gpu.name} (compute capability {gpu.compute_capability})"
            raise self._refusal(engine, f"was built for {target}; here is {here}")

    def _fits_gpu_of_build(self, gpu: GpuInfo) -> bool:
        if self.hardware_compatibility == "ampere+":
            return _release(gpu.compute_capability) >= (8, 0)
        built = self.built_on
        same_capability = built.compute_capability in (None, gpu.compute_capability)
        if self.hardware_compatibility == "same-compute-capability":
            return same_capability
        return same_capability and built.gpu in (None, gpu.name)

    def _refusal(self, engine: Path, reason: str) -> ModelFileError:
        return ModelFileError(f"{engine} {reason}: rebuild it with `{self.command}`")


def manifest_path(engine: Path) -> Path:
    """Where the manifest of `engine` is."""
    return engine.with_name(engine.name + MANIFEST_SUFFIX)


_Record = TypeVar("_Record", FileRecord, PluginRecord, Machine)


def _parse(values: dict[str, Any], source: object) -> Manifest:
    """Raises KeyError, TypeError, ValueError or ConfigError for what is no manifest, ModelFileError for its model."""
    if not isinstance(values["model"], dict) or not isinstance(values["options"], dict):
        raise ValueError("model and options are mappings")
    hardware = _text(values["hardware_compatibility"])
    if hardware not in HARDWARE_COMPATIBILITIES:
        raise ValueError(f"hardware_compatibility {reprlib.repr(hardware)}")
    if not isinstance(values["version_compatible"], bool):
        raise ValueError("version_compatible is true or false")
    machine = _record(Machine, values["built_on"])
    if machine.runtime not in RUNTIMES or not re.match(r"\d{1,9}(\.\d{1,9})*", machine.version):
        raise ValueError(f"built with {reprlib.repr(machine.runtime)} {reprlib.repr(machine.version)}")
    return Manifest(
        metadata=ModelMetadata.from_props(values["model"], source),
        engine=_record(FileRecord, values["engine"]),
        onnx=_record(FileRecord, values["onnx"]),
        plugins=None if values["plugins"] is None else _record(PluginRecord, values["plugins"]),
        built_on=machine,
        compute_capabilities=tuple(_text(value) for value in values["compute_capabilities"]),
        version_compatible=values["version_compatible"],
        hardware_compatibility=hardware,
        inputs=tuple(_parse_range(value) for value in values["inputs"]),
        outputs=tuple(_parse_range(value) for value in values["outputs"]),
        options=values["options"],
        seconds=float(values["seconds"]),
        tool_version=_text(values["tool_version"]),
    )


def _record(cls: type[_Record], values: Any) -> _Record:
    if not isinstance(values, dict):
        raise ValueError(f"{cls.__name__} is a mapping")
    fields = checked_fields(cls, values)
    for value in fields.values():
        if value is not None:
            _text(value)
    return cls(**fields)


def _parse_range(values: dict[str, Any]) -> TensorRange:
    if not isinstance(values, dict):
        raise ValueError("an input or output is a mapping")
    tensor = TensorRange(**checked_fields(TensorRange, values))
    sizes = list(zip(tensor.min, tensor.opt, tensor.max, strict=True))  # ValueError for different ranks
    if not all(0 <= low <= best <= high <= MAX_SIZE for low, best, high in sizes):
        raise ValueError(f"{_text(tensor.name)}: sizes {reprlib.repr(sizes)} are out of order")
    return tensor


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT_LENGTH:
        raise ValueError(f"{reprlib.repr(value)} is no text of up to {MAX_TEXT_LENGTH} characters")
    return value


def _release(version: str) -> tuple[int, ...]:
    """The first three numbers of a version: later ones count builds of the same release."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
