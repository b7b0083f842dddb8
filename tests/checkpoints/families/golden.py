"""Outputs of other code bases, and weights that are made from their keys."""

from __future__ import annotations

import json

import numpy as np
import torch

from tests.conftest import DATA
from tests.seeded_weights import seeded_tensor
from yolact_deploy.types import RawOutputs

FAMILIES = DATA / "families"
OUTPUTS = (("loc", "loc"), ("conf", "conf"), ("coef", "mask"), ("proto", "proto"))  # ours, the files'


def seeded_checkpoint(name: str) -> dict[str, torch.Tensor]:
    """What a checkpoint of the family holds, every key of it."""
    shapes = json.loads((FAMILIES / f"{name}.json").read_text())["state_dict"]
    return {key: torch.from_numpy(np.asarray(seeded_tensor(key, tuple(shape)))) for key, shape in shapes.items()}


def assert_raw_outputs(raw: RawOutputs, golden: dict[str, np.ndarray]) -> None:
    """Every sampled value to 1e-4 of its output's largest magnitude, and the priors."""
    np.testing.assert_allclose(raw.priors.numpy()[golden["prior_index"]], golden["priors"], atol=1e-6)
    for ours, theirs in OUTPUTS:
        index = golden["proto_index" if ours == "proto" else "prior_index"]
        rows = getattr(raw, ours)[0].flatten(0, -2).numpy()[index]
        np.testing.assert_allclose(rows, golden[theirs], rtol=0, atol=1e-4 * golden[f"{theirs}_max"], err_msg=ours)
