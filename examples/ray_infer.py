"""Many pictures on a Ray cluster, in the shards of `yolact-deploy infer --shards`.

    python examples/ray_infer.py PICTURES --model model.onnx --shards DIR [--address ray://head:10001] [--gpus]

One actor with a model per GPU or core. All nodes see PICTURES, the model and DIR under the same path. What is done is
in DIR: started again it goes on.
Then: yolact-deploy infer --merge DIR --json FILE
"""

import argparse
import sys
from pathlib import Path

import ray

from yolact_deploy import YolactDeployError
from yolact_deploy.inference.options import InferOptions
from yolact_deploy.inference.picture_sources import find_pictures
from yolact_deploy.inference.selection import Selection
from yolact_deploy.inference.shards.job import open_job
from yolact_deploy.inference.shards.order import WorkOrder
from yolact_deploy.inference.shards.results import missing_shards


class Actor:
    """A worker of the job with a model of its own."""

    def __init__(self, order: WorkOrder) -> None:
        import cv2

        cv2.setNumThreads(1)
        self.worker = order.worker(order.open_predictor())

    def __call__(self, batch: dict) -> dict:
        """Shard numbers -> whether this actor did each, or it was done already."""
        return {"id": batch["id"], "done": [self.worker.work(int(shard)) for shard in batch["id"]]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--shards", type=Path, required=True, metavar="DIR")
    parser.add_argument("--shard-size", type=int, default=256)
    parser.add_argument("--score", type=float, default=0.3, help="as of infer (default: %(default)s)")
    parser.add_argument("--address", help="ray://HOST:PORT (default: this machine alone)")
    parser.add_argument("--actors", type=int, help="(default: one per GPU or core, but one core, which Ray Data needs)")
    parser.add_argument("--gpus", action="store_true", help="a GPU per actor")
    given = parser.parse_args()
    ray.init(address=given.address, log_to_driver=False)
    found = find_pictures(given.pictures.resolve(), [given.shards])
    options = InferOptions("", shards=given.shards)
    order = WorkOrder(
        given.shards.resolve(), found.root, found.names, options, given.model.resolve(),
        {"threads": 1, "device": "cuda" if given.gpus else "cpu"}, lambda predictor: Selection(given.score),
        given.shard_size,
    )  # fmt: skip
    total = -(-len(found.names) // given.shard_size)
    resources = ray.cluster_resources()
    # With an actor on every core no core is left for the rest of the pipeline, and nothing moves.
    actors = given.actors or int(resources.get("GPU", 1) if given.gpus else max(1, resources["CPU"] - 1))
    shards = ray.data.range(total).repartition(total)  # a block per shard: without it one actor gets them all
    done = shards.map_batches(
        Actor, fn_constructor_args=(order,), batch_size=1, compute=ray.data.ActorPoolStrategy(size=actors),
        **({"num_gpus": 1} if given.gpus else {}),
    )  # fmt: skip
    print(f"{sum(row['done'] for row in done.iter_rows())} of {total} shards by {actors} actors of this run")
    missing = missing_shards(open_job(given.shards))
    sys.exit(f"{len(missing)} shards are missing: start this again" if missing else 0)


if __name__ == "__main__":
    try:
        main()
    except YolactDeployError as error:
        sys.exit(f"error: {error}")
