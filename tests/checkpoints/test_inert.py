"""Training checkpoints of mmengine: the weights are read, and nothing else of the file runs."""

from __future__ import annotations

import collections
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.checkpoints.files import save
from yolact_deploy.checkpoints.state_dict import read_tensors
from yolact_deploy.errors import CheckpointError

WEIGHTS = {"a.weight": torch.arange(3.0), "b.weight": torch.ones(2)}


@pytest.fixture
def buffer_class(monkeypatch: pytest.MonkeyPatch) -> type:
    """A class that pickles under the name of mmengine's, with the state that mmengine's has."""
    name = "mmengine.logging.history_buffer"
    made = type("HistoryBuffer", (), {"__module__": name})
    for module in ("mmengine", "mmengine.logging", name):
        monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    sys.modules[name].HistoryBuffer = made  # type: ignore[attr-defined]
    return made


def training_file(path: Path, buffer_class: type, state: object) -> Path:
    """What mmengine's CheckpointHook writes, `state` within the history."""
    buffer = buffer_class()
    buffer.__dict__.update(_log_history=np.arange(3.0), _statistics_methods={"min": getattr}, other=state)
    content = {"meta": {"epoch": 1}, "state_dict": WEIGHTS, "message_hub": {"log_scalars": {"loss": buffer}}}
    return save(path, {**content, "ema_state_dict": {"c.weight": torch.zeros(1)}})


def test_the_weights_of_a_training_checkpoint_are_read(tmp_path: Path, buffer_class: type) -> None:
    tensors = read_tensors(training_file(tmp_path / "epoch_1.pth", buffer_class, None)).tensors
    assert set(tensors) == set(WEIGHTS)
    for key, tensor in tensors.items():
        torch.testing.assert_close(tensor, WEIGHTS[key], rtol=0, atol=0)


class _Calls:
    """Pickles as a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


def test_getattr_of_a_file_is_not_the_real_one(tmp_path: Path, buffer_class: type) -> None:
    """The real one would raise, as an OrderedDict has no such attribute."""
    state = _Calls(getattr, collections.OrderedDict(), "absent")
    assert set(read_tensors(training_file(tmp_path / "x.pth", buffer_class, state)).tensors) == set(WEIGHTS)


@pytest.mark.parametrize("function", [os.system, eval, exec])
def test_a_hostile_file_of_the_same_form_is_refused(tmp_path: Path, buffer_class: type, function: object) -> None:
    marker = tmp_path / "ran"
    command = f"touch {marker}" if function is os.system else f"open({str(marker)!r}, 'w')"
    path = training_file(tmp_path / "evil.pth", buffer_class, _Calls(function, command))
    with pytest.raises(CheckpointError, match=r"is refused.*could run code") as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value)
    assert not marker.exists()


def test_stand_ins_serve_that_one_file_alone(tmp_path: Path, buffer_class: type) -> None:
    read_tensors(training_file(tmp_path / "epoch_1.pth", buffer_class, None))
    with pytest.raises(CheckpointError, match="numpy"):
        read_tensors(save(tmp_path / "plain.pth", {"state_dict": WEIGHTS, "history": np.arange(3.0)}))
