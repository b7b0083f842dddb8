"""What `build-engine` is asked for, and what of that a library cannot do, said before anything is built."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolact_deploy.artifacts.manifest import HARDWARE_COMPATIBILITIES
from yolact_deploy.errors import ConfigError
from yolact_deploy.machine import DATA_CENTRE_CARDS, JETSONS, is_jetson
from yolact_deploy.trt.library import TensorRTLibrary
from yolact_deploy.types import ImageSize

if TYPE_CHECKING:
    from yolact_deploy.export.precision.int8.file import Int8Request

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
OPTIMIZATION_LEVELS = range(6)
NO_PLUGINS = "none"
MAX_SIDE = 16384  # px


MIN_SIZE, OPT_SIZE = ImageSize(32, 32), ImageSize(640, 480)
MAX_SIZE = ImageSize(1920, 1920)  # full HD, upright too


@dataclass(frozen=True)
class EngineOptions:
    """How to build an engine."""

    output: Path
    runtime: str = "auto"  # auto, tensorrt or tensorrt-rtx
    precision: str | None = None  # one of PRECISIONS; None: that of the ONNX file
    int8: Int8Request | None = None  # with precision int8: how to quantise an fp32 file
    tf32: bool = False  # fp32 convolutions may round their inputs to TF32 (10 bits of mantissa)
    min_size: ImageSize | None = None  # None: MIN_SIZE, or less when another size is less
    opt_size: ImageSize | None = None  # what it is tuned for; None: OPT_SIZE, or the nearest in the range
    max_size: ImageSize | None = None  # None: MAX_SIZE, or more when another size is more
    batch: tuple[int, int, int] | None = None  # least, best, most; None: 1, or what the ONNX file is fixed to
    workspace_bytes: int | None = None  # None: all memory
    timing_cache: Path | None = None  # None: one in the user's cache folder, by library, version and GPU
    optimization_level: int | None = None  # one of OPTIMIZATION_LEVELS; None: the library's default
    version_compatible: bool = False  # newer versions of TensorRT can run it
    hardware_compatibility: str = "none"  # one of HARDWARE_COMPATIBILITIES
    compute_capabilities: tuple[str, ...] = ()  # such as "8.6"; empty: the library's default
    dla_core: int | None = None  # run on this deep-learning accelerator what it can, the rest on the GPU
    plugins: Path | str | None = None  # a plugin library; NO_PLUGINS: the ONNX functions; None: what is found here
    debug_outputs: bool = False  # the stages inside the network become outputs too, for `compare`
    force: bool = False  # replace existing files

    def __post_init__(self) -> None:
        """Raises ConfigError for values that no library could use."""
        if self.precision not in (None, *PRECISIONS):
            raise ConfigError(f"unknown precision {self.precision!r}: use {', '.join(PRECISIONS)}")
        if (self.precision == "int8") != (self.int8 is not None):
            raise ConfigError("precision int8 and how to quantise go together")
        if self.tf32 and self.precision in ("fp16", "bf16", "int8"):
            raise ConfigError(f"--tf32 is about fp32 engines: leave it out with --{self.precision}")
        if self.hardware_compatibility not in HARDWARE_COMPATIBILITIES:
            known = ", ".join(HARDWARE_COMPATIBILITIES)
            raise ConfigError(f"unknown hardware compatibility {self.hardware_compatibility!r}: use {known}")
        if self.optimization_level is not None and self.optimization_level not in OPTIMIZATION_LEVELS:
            raise ConfigError(f"optimisation level {self.optimization_level}: 0 (fastest build) to 5 (slowest)")
        if self.workspace_bytes is not None and self.workspace_bytes < 1:
            raise ConfigError(f"workspace {self.workspace_bytes} bytes: 1 or more")
        if self.dla_core is not None and self.dla_core < 0:
            raise ConfigError(f"DLA core {self.dla_core}: 0 or more")
        if self.batch is not None and not 1 <= self.batch[0] <= self.batch[1] <= self.batch[2]:
            raise ConfigError(
                f"batch {','.join(map(str, self.batch))}: MIN, OPT and MAX, each 1 or more, in ascending order"
            )
        self._check_sizes()
        for wanted in self.compute_capabilities:
            if wanted in JETSONS:
                raise ConfigError(
                    f"--compute-capability {wanted} is a {JETSONS[wanted]}: build on the Jetson with TensorRT, see "
                    "docs/jetson.md"
                )
            if wanted in DATA_CENTRE_CARDS:
                raise ConfigError(
                    f"--compute-capability {wanted} is a data-centre card ({DATA_CENTRE_CARDS[wanted]}): build on a "
                    "machine that has one, with --runtime tensorrt"
                )

    def _check_sizes(self) -> None:
        low, best, high = self.sizes
        for name, size in (("min", low), ("opt", best), ("max", high)):
            if not (1 <= size.width <= MAX_SIDE and 1 <= size.height <= MAX_SIDE):
                raise ConfigError(f"--{name} {size}: each side 1 to {MAX_SIDE} px")
        if not (low.width <= best.width <= high.width and low.height <= best.height <= high.height):
            raise ConfigError(
                f"image sizes {low}, {best}, {high}: --min, --opt and --max must be in order on both sides"
            )

    @property
    def sizes(self) -> tuple[ImageSize, ImageSize, ImageSize]:
        """Smallest, best and largest image; what is not given makes room for what is."""
        given = [size for size in (self.min_size, self.opt_size, self.max_size) if size is not None]
        low = self.min_size or _each_side(min, [MIN_SIZE, *given])
        high = self.max_size or _each_side(max, [MAX_SIZE, *given])
        best = self.opt_size or _each_side(max, [low, _each_side(min, [OPT_SIZE, high])])
        return low, best, high

    @property
    def names_sizes(self) -> bool:
        """Whether any image size is given."""
        return any((self.min_size, self.opt_size, self.max_size))

    @property
    def plugin_library(self) -> Path | None:
        """The plugin library that is named."""
        return None if self.plugins in (None, NO_PLUGINS) else Path(str(self.plugins))

    def check_supported(self, library: TensorRTLibrary) -> None:
        """Raises YolactDeployError that names the first option which `library` does not have on this machine."""
        if self.compute_capabilities:
            known = library.compute_capabilities()
            if not known:
                raise library.refuses("--compute-capability (an engine of it runs on the GPU here)")
            for wanted in self.compute_capabilities:
                if wanted not in known:
                    raise ConfigError(
                        f"compute capability {wanted} is unknown to {library.title}: use {', '.join(known)}"
                    )
        if self.tf32 and library.member("BuilderFlag", "TF32") is None:
            raise library.refuses("--tf32")
        if library.is_rtx:
            self._check_rtx(library)
        if self.hardware_compatibility != "none":
            if is_jetson():
                raise library.refuses(f"--hardware-compatibility {self.hardware_compatibility} on a Jetson")
            if hardware_level(library, self.hardware_compatibility) is None:
                raise library.refuses(f"--hardware-compatibility {self.hardware_compatibility}")

    def _check_rtx(self, library: TensorRTLibrary) -> None:
        asked = {
            "--version-compatible": self.version_compatible,
            "--hardware-compatibility (name GPUs with --compute-capability)": self.hardware_compatibility != "none",
            "--dla": self.dla_core is not None,
            "--timing-cache": self.timing_cache is not None,
            "--plugins (use --plugins none, or --runtime tensorrt)": self.plugin_library is not None,
        }
        for option, is_asked in asked.items():
            if is_asked:
                raise library.refuses(option)

    def to_dict(self) -> dict[str, Any]:
        """For the manifest: everything but where files are."""
        left_out = ("output", "force", "timing_cache", "plugins", "int8")
        own = {name: _plain(value) for name, value in vars(self).items() if name not in left_out}
        return own if self.int8 is None else own | self.int8.to_dict()


def hardware_level(library: TensorRTLibrary, name: str) -> Any:
    """The library's enum member for one of HARDWARE_COMPATIBILITIES, None where it has none."""
    members = {"ampere+": "AMPERE_PLUS", "same-compute-capability": "SAME_COMPUTE_CAPABILITY"}
    return library.member("HardwareCompatibilityLevel", members[name]) if name in members else None


def read_batch_range(text: str) -> tuple[int, int, int]:
    """N, or MIN,OPT,MAX images per call. Raises ConfigError."""
    numbers = text.split(",")
    if len(numbers) not in (1, 3) or not all(re.fullmatch(r"[1-9]\d{0,5}", number) for number in numbers):
        raise ConfigError(f"batch {text!r}: write N, or MIN,OPT,MAX, such as 1,4,8")
    low, best, high = (int(number) for number in (numbers * 3 if len(numbers) == 1 else numbers))
    return low, best, high


def read_bytes(text: str) -> int:
    """A number of bytes, with K, M or G for 1024, 1024^2 and 1024^3, such as 512M. Raises ConfigError."""
    match = re.fullmatch(r"(\d{1,18})([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None or int(match[1]) == 0:
        raise ConfigError(f"size {text!r}: write bytes, or a number with K, M or G, such as 512M")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2].upper()]


def _each_side(choose: Callable[[Iterable[int]], int], sizes: list[ImageSize]) -> ImageSize:
    return ImageSize(choose(size.width for size in sizes), choose(size.height for size in sizes))


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, ImageSize):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
