"""Peak memory of one model, in a process that does nothing else.

`python -m yolact_deploy.benchmarks.performance.memory MODEL IMAGE...` runs the model on the images and prints a line
of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from yolact_deploy.benchmarks.performance.subprocesses import run_module
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.images import read_image
from yolact_deploy.predictor import Predictor

ROUNDS = 2  # over the images: what a second run needs on top belongs to the peak
_KIB = 1024
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class MemoryUse:
    """Peak resident memory of a process that opened a model and ran it: interpreter and libraries included."""

    peak_bytes: int
    source: str  # who said so: "VmHWM" or "ru_maxrss"
    imports_torch: bool
    detections: int  # on all images together, one round


def measure_peak_memory(
    model: Path,
    images: Sequence[Path],
    device: str = "auto",
    threads: int | None = None,
    config: ModelConfig | None = None,
    trust: bool = False,
    plugins: Path | None = None,
    family: str | None = None,
) -> MemoryUse:
    """Open `model` in a new process and run it on `images`. For what the rest is see `Predictor.open`.

    Raises YolactDeployError when that process fails, out of memory for example.
    """
    arguments = ["--device", device]
    if threads is not None:
        arguments += ["--threads", str(threads)]
    if config is not None:
        arguments += ["--config-json", json.dumps(config.to_dict())]
    if trust:
        arguments.append("--trust")
    if plugins is not None:
        arguments += ["--plugins", str(plugins.absolute())]
    if family is not None:
        arguments += ["--family", family]
    arguments += ["--", str(model), *map(str, images)]
    printed = run_module("yolact_deploy.benchmarks.performance.memory", arguments, f"measuring the memory of {model}")
    return MemoryUse(**json.loads(printed.strip().splitlines()[-1]))


def run_and_report(
    model: Path,
    images: Sequence[Path],
    device: str,
    threads: int | None,
    config: ModelConfig | None,
    trust: bool = False,
    plugins: Path | None = None,
    family: str | None = None,
) -> MemoryUse:
    """Run `model` in this process, and say how much memory the process has used at most."""
    with Predictor.open(
        model, device=device, threads=threads, config=config, trust=trust, plugins=plugins, family=family
    ) as predictor:
        for _ in range(ROUNDS):
            detections = sum(len(predictor(read_image(path))) for path in images)
    peak, source = peak_memory()
    return MemoryUse(peak, source, "torch" in sys.modules, detections)


def peak_memory() -> tuple[int, str]:
    """The most resident memory that this process has had, bytes, and who said so.

    VmHWM, because ru_maxrss survives exec: a subprocess started by a big process reports the parent's size as its own.
    """
    try:
        status = _STATUS.read_text(encoding="ascii", errors="replace")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * _KIB, "VmHWM"
    except (OSError, ValueError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * _KIB, "ru_maxrss"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m yolact_deploy.benchmarks.performance.memory", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--config-json", type=json.loads, help="the configuration of a checkpoint")
    parser.add_argument("--trust", action="store_true")
    parser.add_argument("--plugins", type=Path)
    parser.add_argument("--family")
    options = parser.parse_args(arguments)
    try:
        config = None if options.config_json is None else ModelConfig.from_dict(options.config_json)
        use = run_and_report(
            options.model,
            options.images,
            options.device,
            options.threads,
            config,
            options.trust,
            options.plugins,
            options.family,
        )
    except YolactDeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    print(json.dumps(asdict(use)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
