"""Networks with other official options equal one that is written out from them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from tests.conftest import seeded_state_dict
from tests.models.naive_network import naive_network
from tests.variants import VARIANTS, variant_config, variant_options
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.models.yolact import Yolact
from yolact_deploy.ops.boxes import make_priors


@pytest.mark.parametrize("name", VARIANTS)
@torch.inference_mode()
def test_raw_outputs_are_those_of_a_naive_network(name: str) -> None:
    config = variant_config(name)
    weights = seeded_state_dict(config)
    model = Yolact(config).eval()
    model.load_state_dict(weights)
    image = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 3, 75, 75)).astype(np.float32))
    raw = model(image)
    expected = naive_network(weights, image, variant_options(name), config.num_classes)
    for output, values in expected.items():
        actual = getattr(raw, output)[0]
        assert actual.shape == values.shape, output
        torch.testing.assert_close(actual, values, rtol=0, atol=1e-5 * float(values.abs().max()), msg=output)
    assert raw.priors.shape == (len(expected["loc"]), 4)
    assert raw.proto.shape[1:] == (config.proto_size, config.proto_size, config.num_coefs)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_configuration_survives_json(name: str) -> None:
    config = variant_config(name)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_priors_of_levels_with_their_own_shapes_equal_a_naive_loop() -> None:
    config = variant_config("own_heads_and_anchors")
    ratios = ((1, 0.5, 2), (1,), (0.5, 2), (1, 3), (1, 0.5))
    expected = []
    for size, scales, shapes in zip((10, 5, 3, 2, 1), ([6, 8], [12], [24, 30], [48], [60]), ratios, strict=True):
        for row in range(size):
            for column in range(size):
                for scale in scales:
                    for ratio in shapes:
                        sides = (scale * math.sqrt(ratio) / 75, scale / math.sqrt(ratio) / 75)
                        expected.append(((column + 0.5) / size, (row + 0.5) / size, *sides))
    np.testing.assert_allclose(make_priors(config), np.array(expected, np.float32), rtol=1e-6)


def test_the_usual_mask_sizes() -> None:
    """At 550 px: 138 officially, twice that with one more upsampling, as its author recommends for finer masks."""
    conv = [256, 3, {"padding": 1}]
    more = ModelConfig.from_dict({"mask_proto_net": [conv] * 3 + [[None, -2, {}], conv] * 2 + [[32, 1, {}]]})
    assert (ModelConfig().proto_size, more.proto_size, more.num_prototypes) == (138, 276, 32)
