"""The bundled weights as tensors."""

from __future__ import annotations

import pytest
import torch

from tests.conftest import NANO_WEIGHTS


@pytest.fixture(scope="module")
def nano_tensors() -> dict[str, torch.Tensor]:
    return torch.load(NANO_WEIGHTS, weights_only=True)
