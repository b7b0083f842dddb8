"""Made-up raw outputs of a YOLACT head, for post-processing: objects of several sizes, many priors on each."""

from __future__ import annotations

import numpy as np


def seeded_raw(priors: np.ndarray, num_classes: int, proto_size: int, seed: int) -> dict[str, np.ndarray]:
    """priors [N,4] (cx cy w h, relative) -> loc [N,4], logits [N,1+C] (background first), coef [N,32], proto [P,P,32].

    60 made-up objects; each prior looks at the one whose centre and size fit it best. Float32.
    """
    rng = np.random.default_rng(seed)
    n = len(priors)
    objects = np.concatenate((rng.uniform(0.0, 1.0, (60, 2)), rng.uniform(0.03, 0.7, (60, 2))), axis=1)  # cx cy w h
    classes = rng.integers(0, num_classes, 60)
    strength = rng.uniform(1.0, 9.0, 60)
    distance = np.abs(priors[:, None, :2] - objects[None, :, :2]) / objects[None, :, 2:]
    ratio = np.abs(np.log(priors[:, None, 2:] / objects[None, :, 2:]))
    misfit = (2.0 * distance + ratio).sum(axis=2)  # [N,60]
    best = misfit.argmin(axis=1)
    fit = misfit[np.arange(n), best]
    target = objects[best]
    loc = np.concatenate(
        ((target[:, :2] - priors[:, :2]) / priors[:, 2:] / 0.1, np.log(target[:, 2:] / priors[:, 2:]) / 0.2), axis=1
    )
    loc = loc.clip(-6.0, 6.0) + 0.5 * rng.standard_normal((n, 4))
    logits = 0.7 * rng.standard_normal((n, 1 + num_classes))
    logits[:, 0] += 4.0
    logits[np.arange(n), 1 + classes[best]] += strength[best] - 1.2 * fit + 2.0
    coef = np.tanh(rng.standard_normal((60, 32))[best] + 0.2 * rng.standard_normal((n, 32)))
    blocks = rng.standard_normal((-(-proto_size // 6), -(-proto_size // 6), 32)).repeat(6, axis=0).repeat(6, axis=1)
    proto = np.maximum(blocks[:proto_size, :proto_size] + 0.1 * rng.standard_normal((proto_size, proto_size, 32)), 0.0)
    return {
        name: array.astype(np.float32)
        for name, array in (("loc", loc), ("logits", logits), ("coef", coef), ("proto", proto))
    }
