"""From what was seen of a tensor to the range that int8 covers; what lies outside is clipped.

minmax covers everything. The others clip rare large values, so that the steps between the common ones are smaller.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

BINS = 2048  # of a histogram
ENTROPY_BINS = 512  # its search takes time in proportion to the square
QUANTISED_BINS = 128  # steps on one side of zero
PERCENTILE = 99.999  # of the values that are not clipped
STEPS = 255  # of 8 bits
_SHARES = np.linspace(0.2, 1.0, 161)  # of the whole range that `mse` tries

Range = tuple[float, float]
Histogram = npt.NDArray[np.int64] | None


def _minmax(low: float, high: float, histogram: Histogram) -> Range:
    return low, high


def _percentile(low: float, high: float, histogram: Histogram) -> Range:
    return _by_onnxruntime("percentile", low, high, histogram)


def _entropy(low: float, high: float, histogram: Histogram) -> Range:
    assert histogram is not None
    # Bins in even numbers to one, so that zero stays an edge.
    merged = histogram.reshape(-1, BINS // ENTROPY_BINS).sum(axis=1) if histogram.size == BINS else histogram
    return _by_onnxruntime("entropy", low, high, merged)


def _mse(low: float, high: float, histogram: Histogram) -> Range:
    """The range with the least squared error of rounding and clipping."""
    assert histogram is not None
    edges = _edges(low, high, histogram.size)
    values = (edges[:-1] + edges[1:]) / 2
    seen = histogram > 0
    values, weights = values[seen], histogram[seen]
    lows, highs = _SHARES[:, None] * low, _SHARES[:, None] * high  # [shares,1]
    step = (highs - lows) / STEPS
    rounded = np.clip(np.round((values - lows) / step), 0, STEPS) * step + lows  # [shares,values]
    best = _SHARES[np.argmin((np.square(rounded - values) * weights).sum(axis=1))]
    return float(best * low), float(best * high)


def _by_onnxruntime(method: str, low: float, high: float, histogram: Histogram) -> Range:
    """ONNX Runtime's own search, which takes histograms that are symmetric around zero."""
    from onnxruntime.quantization.calibrate import HistogramCollector

    assert histogram is not None
    edges = _edges(low, high, histogram.size).astype(np.float32)
    collector = HistogramCollector(
        method=method,
        symmetric=False,
        num_bins=histogram.size,
        num_quantized_bins=QUANTISED_BINS,
        percentile=PERCENTILE,
        scenario="same",
    )
    bound = np.float32(max(-low, high))
    collector.histogram_dict = {"": (histogram, edges, np.float32(low), np.float32(high), bound)}
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
        found = collector.compute_collection_result()[""]
    return max(float(found[0]), low), min(float(found[1]), high)


def _edges(low: float, high: float, bins: int) -> npt.NDArray[np.float64]:
    bound = max(-low, high)
    return np.linspace(-bound, bound, bins + 1)


METHODS: dict[str, Callable[[float, float, Histogram], Range]] = {
    "minmax": _minmax,
    "percentile": _percentile,
    "entropy": _entropy,
    "mse": _mse,
}
