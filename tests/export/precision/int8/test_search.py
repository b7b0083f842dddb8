"""The choice of stages, with a stand-in for the data set: it knows what each stage costs in int8."""

from __future__ import annotations

import onnx
import pytest

from yolact_deploy.artifacts.onnx_file import metadata_of
from yolact_deploy.errors import ConfigError, GateError
from yolact_deploy.export.precision.int8.convert import Int8Options
from yolact_deploy.export.precision.int8.network_part import cut_network
from yolact_deploy.export.precision.int8.search import Choice, Loss, choose_stages
from yolact_deploy.export.precision.int8.stages import nodes_of_stages, stage_names, work_of_stages
from yolact_deploy.export.precision.int8.statistics import Statistics

COSTS = {"conf": 0.6, "proto": 0.5, "C3": 0.4, "P7": 0.01}  # points of AP of a stage in int8
UNAVOIDABLE = 0.02  # of any int8


def measure(model: onnx.ModelProto) -> Loss:
    metadata = metadata_of(model, "candidate")
    assert metadata.quantization is not None
    in_int8 = set(stage_names(metadata.config)) - set(metadata.quantization.kept)
    points = UNAVOIDABLE + sum(COSTS.get(stage, 0) for stage in in_int8)
    return Loss(box=points, mask=points / 2, matched=1 - points / 10, mask_iou=1.0)


def choose(fp32: onnx.ModelProto, statistics: Statistics, limit: float, **options: object) -> Choice:
    return choose_stages(fp32, statistics, Int8Options(**options), limit, measure, "nano")  # type: ignore[arg-type]


def test_nothing_is_kept_where_int8_is_good_enough(fp32: onnx.ModelProto, statistics: Statistics) -> None:
    choice = choose(fp32, statistics, 2.0)
    assert (choice.costs, [trial.kept for trial in choice.trials]) == ((), [()])


def test_stages_return_by_harm_per_work(fp32: onnx.ModelProto, statistics: Statistics) -> None:
    choice = choose(fp32, statistics, 0.5)
    assert len(choice.costs) == len(stage_names(metadata_of(fp32, "nano").config))
    order = [cost.stage for cost in choice.costs]
    ratios = [cost.loss.harm / cost.work if cost.work else 1e9 for cost in choice.costs]
    assert order.index("conf") < order.index("proto") < order.index("C5")
    assert ratios == sorted(ratios, reverse=True)
    kept = choice.trials[-1].kept
    assert {"conf", "C3"} <= set(kept)
    assert choice.trials[-1].loss.points <= 0.5 < choice.trials[-2].loss.points
    quantization = metadata_of(choice.model, "nano").quantization
    assert quantization is not None
    assert quantization.kept == kept


def test_what_was_kept_before_stays_kept(fp32: onnx.ModelProto, statistics: Statistics) -> None:
    choice = choose(fp32, statistics, 0.95, kept=("conf",))
    assert [trial.kept for trial in choice.trials] == [("conf",)]


def test_a_limit_that_cannot_be_met_names_the_best(fp32: onnx.ModelProto, statistics: Statistics) -> None:
    with pytest.raises(GateError, match=r"the best of 12 choices loses 0\.02, with .*conf.* in float"):
        choose(fp32, statistics, 0.01)


@pytest.mark.parametrize("limit", [-1.0, float("nan")])
def test_limits_that_make_no_sense(fp32: onnx.ModelProto, statistics: Statistics, limit: float) -> None:
    with pytest.raises(ConfigError, match="--max-ap-loss"):
        choose(fp32, statistics, limit)


def test_every_node_belongs_to_one_stage(fp32: onnx.ModelProto) -> None:
    network = cut_network(fp32, "nano")
    parts = nodes_of_stages(network, metadata_of(fp32, "nano").config)
    names = [name for part in parts.values() for name in part]
    assert sorted(names) == sorted(node.name for node in network.graph.node)
    work = work_of_stages(network, parts)
    assert sum(work.values()) == pytest.approx(1)
    assert work["proto"] > work["C3"] > work["P7"] > 0


def test_work_is_that_of_the_convolutions(fp32: onnx.ModelProto) -> None:
    """P7: one 3x3 convolution with stride 2; the input has 256 px, so P7 has 2. The work of all is then a whole
    number of multiplications."""
    network = cut_network(fp32, "nano")
    config = metadata_of(fp32, "nano").config
    parts = nodes_of_stages(network, config)
    weights = {tensor.name: tensor.dims for tensor in network.graph.initializer}
    (p7,) = (node for node in network.graph.node if node.name in parts["P7"])
    outputs, inputs, *kernel = weights[p7.input[1]]
    assert kernel == [3, 3]
    total = outputs * inputs * 9 * 2 * 2 / work_of_stages(network, parts)["P7"]
    assert total == pytest.approx(round(total))
