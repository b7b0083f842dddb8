"""Engines that nobody runs: some bytes, and a manifest that is true of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.artifacts.test_manifest import make
from yolact_deploy.artifacts.manifest import FileRecord, Manifest, TensorRange, manifest_path
from yolact_deploy.files import sha256_of

COUNT, SIDE = 100, 64  # detections, prototype size


def fake_engine(path: Path, batches: tuple[int, int], planar: bool = False, **changes: Any) -> Manifest:
    """Write an engine of the bundled model for `batches` images, least and most."""
    path.write_bytes(b"engine")
    low, high = batches

    def tensor(name: str, dtype: str, *sizes: int) -> TensorRange:
        return TensorRange(name, dtype, (low, *sizes), (low, *sizes), (high, *sizes))

    image = TensorRange("image", "uint8", (low, 64, 64, 3), (low, 480, 640, 3), (high, 1080, 1920, 3))
    made = make()
    manifest = replace(
        made,
        metadata=replace(made.metadata, input_kind="planar" if planar else "image"),
        engine=FileRecord(path.name, sha256_of(path)),
        inputs=(tensor("planes", "float32", 3, 256, 256) if planar else image,),
        outputs=(
            tensor("boxes", "float32", COUNT, 4),
            tensor("scores", "float32", COUNT),
            tensor("classes", "int32", COUNT),
            tensor("masks", "float32", COUNT, SIDE, SIDE),
            tensor("num_detections", "int32", 1) if planar else tensor("num_detections", "int32"),
        ),
        **changes,
    )
    manifest_path(path).write_text(manifest.to_json())
    return manifest
