"""Statistics: running, exact, saved as data, and refused where they do not belong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from tests.conftest import NANO
from tests.export.precision.int8.conftest import PICTURES, calibrated
from yolact_deploy.artifacts.onnx_file import metadata_of, with_outputs
from yolact_deploy.errors import DataError, ModelFileError
from yolact_deploy.export.precision.int8.calibration import MIN_PICTURES, Calibration, collect, find_pictures
from yolact_deploy.export.precision.int8.network_part import cut_network
from yolact_deploy.export.precision.int8.quantise import calibrated_tensors
from yolact_deploy.export.precision.int8.statistics import Statistics, TensorStatistics
from yolact_deploy.export.precision.int8.thresholds import BINS, METHODS, PERCENTILE
from yolact_deploy.images import read_image
from yolact_deploy.ops.preprocess import preprocess_numpy
from yolact_deploy.runtimes.onnxruntime import create_session


def test_statistics_are_those_of_all_pictures_at_once(fp32: onnx.ModelProto, statistics: Statistics) -> None:
    network = cut_network(fp32, "nano")
    names = [name for name in calibrated_tensors(network) if name != "network_input"]
    assert len(names) > 70
    session = create_session(with_outputs(network, names).SerializeToString(), "nano", "cpu")
    config = metadata_of(fp32, "nano").config
    runs = [
        session.run(names, {"network_input": preprocess_numpy(read_image(path)[None], config)})
        for path in find_pictures(NANO, PICTURES)
    ]
    for name, *arrays in zip(names, *runs, strict=True):
        values = np.concatenate([array.ravel() for array in arrays])
        found = statistics.tensors[name]
        np.testing.assert_allclose((found.minimum, found.maximum), (values.min(), values.max()), rtol=1e-5, atol=1e-5)
        assert found.histogram is not None
        assert found.histogram.sum() == values.size
        bound = max(-found.minimum, found.maximum)
        expected, _ = np.histogram(values, BINS, (-bound, bound))
        apart = np.abs(expected - found.histogram)
        apart[BINS // 2 - 1 : BINS // 2 + 1] = 0  # zeros lie on the edge between two bins
        assert apart.sum() < 0.001 * values.size


def test_pictures_are_spread_over_the_folder() -> None:
    every = sorted((NANO / "images").glob("*.jpg"))
    chosen = find_pictures(NANO, 8)
    assert (chosen[0], chosen[-1], len(chosen)) == (every[0], every[-1], 8)
    assert [every.index(path) for path in chosen] == [0, 9, 18, 27, 36, 45, 54, 63]
    assert find_pictures(NANO / "images", 1000) == tuple(every)


@pytest.mark.parametrize("count", [0, 1, MIN_PICTURES - 1])
def test_too_few_pictures_are_refused(tmp_path: Path, count: int) -> None:
    for path in sorted((NANO / "images").glob("*.jpg"))[:count]:
        shutil.copy(path, tmp_path)
    with pytest.raises(DataError, match=f"holds {count} pictures, calibration needs at least {MIN_PICTURES}"):
        find_pictures(tmp_path)
    with pytest.raises(DataError, match=f"at least {MIN_PICTURES}"):
        find_pictures(NANO, MIN_PICTURES - 1)
    with pytest.raises(DataError, match="no such folder"):
        find_pictures(tmp_path / "missing")


def test_pictures_that_cannot_be_read_are_named(fp32: onnx.ModelProto, tmp_path: Path) -> None:
    for path in sorted((NANO / "images").glob("*.jpg"))[:MIN_PICTURES]:
        shutil.copy(path, tmp_path)
    (tmp_path / "zzz.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"zzz\.jpg: not an image"):
        collect(fp32, metadata_of(fp32, "nano"), Calibration(tmp_path), "nano")


def test_a_fixed_batch_is_filled_with_pictures(nano_dynamic_onnx: Path, statistics: Statistics) -> None:
    """Three at a time from eight: the last batch is not whole."""
    model = onnx.load(nano_dynamic_onnx)
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param == "B":
                dimension.dim_value = 3
    found = calibrated(model)
    shared = found.tensors.keys() & statistics.tensors.keys()
    assert len(shared) > 10
    for name in shared:
        assert found.tensors[name].maximum == pytest.approx(statistics.tensors[name].maximum, rel=1e-4)


def test_saved_statistics_are_read_again(statistics: Statistics, tmp_path: Path) -> None:
    path = tmp_path / "statistics.json"
    statistics.write(path)
    again = Statistics.read(path)
    assert again.ranges("mse") == statistics.ranges("mse")
    assert (again.pictures, again.source, again.checkpoint_sha256) == (
        PICTURES,
        "nano",
        statistics.checkpoint_sha256,
    )
    json.loads(path.read_text())  # data, in a form that holds no code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"yolact_deploy.statistics": "2"}',
        '{"yolact_deploy.statistics": "1", "checkpoint_sha256": "", "pictures": 1, "source": "", "tensors": []}',
        '{"yolact_deploy.statistics": "1", "checkpoint_sha256": "", "pictures": 1, "source": "", "tensors": '
        '{"a": {"minimum": 1, "maximum": NaN, "histogram": null}}}',
    ],
)
def test_other_files_are_no_statistics(tmp_path: Path, text: str) -> None:
    path = tmp_path / "statistics.json"
    path.write_text(text)
    with pytest.raises(ModelFileError, match="holds no calibration statistics"):
        Statistics.read(path)


def test_statistics_of_another_model_are_refused(statistics: Statistics) -> None:
    with pytest.raises(ModelFileError, match=r"statistics of another model than other\.onnx"):
        statistics.check_model("0" * 64, "other.onnx", "statistics.json")


def test_methods_that_need_histograms_say_so() -> None:
    bare = Statistics("", 8, "x", {"a": TensorStatistics(0.0, 1.0)})
    assert bare.ranges("minmax") == {"a": (0.0, 1.0)}
    for method in METHODS.keys() - {"minmax"}:
        with pytest.raises(ModelFileError, match=f"without histograms, which {method} needs"):
            bare.ranges(method)


def test_methods_clip_what_is_rare() -> None:
    """A normal distribution and one value in a million that is ten times as large."""
    values = np.random.default_rng(3).normal(0, 1, 1_000_000)
    values[0] = 40
    low, high = values.min(), values.max()
    histogram, _ = np.histogram(values, BINS, (-high, high))
    ranges = {name: choose(low, high, histogram) for name, choose in METHODS.items()}
    assert ranges["minmax"] == (low, high)
    expected = np.percentile(values, 100 - (100 - PERCENTILE) / 2)
    assert ranges["percentile"][1] == pytest.approx(expected, abs=2 * 80 / BINS)
    for name in ("percentile", "entropy", "mse"):
        assert low <= ranges[name][0] < 0
        assert 3 < ranges[name][1] < 30


def test_mse_is_the_best_of_what_it_tries() -> None:
    values = np.random.default_rng(4).exponential(1, 200_000)
    low, high = 0.0, values.max()
    histogram, _ = np.histogram(values, BINS, (-high, high))
    low, best = METHODS["mse"](low, high, histogram)

    def error(end: float) -> float:
        return float(np.square(np.clip(np.round(values / (end / 255)), 0, 255) * (end / 255) - values).sum())

    assert low == 0.0
    assert error(best) <= 1.02 * min(error(share * high) for share in np.linspace(0.2, 1, 41))


def test_numbers_that_are_not_finite_are_named(fp32: onnx.ModelProto) -> None:
    broken = onnx.ModelProto()
    broken.CopyFrom(fp32)
    tensor = next(item for item in broken.graph.initializer if item.name == "model.fpn.lat_layers.0.weight")
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[0] = np.nan
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    with pytest.raises(ModelFileError, match="is not finite on"):
        calibrated(broken)


def test_grey_pictures_will_do(fp32: onnx.ModelProto, tmp_path: Path) -> None:
    for number in range(MIN_PICTURES):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((40, 30), 20 * number, np.uint8))
    assert collect(fp32, metadata_of(fp32, "nano"), Calibration(tmp_path), "nano").pictures == MIN_PICTURES
