"""A worker in a process of its own: `python -m yolact_deploy.inference.shards.child`, started by `team`.

Its order comes on standard input, as a pickle of the process that started it; the end of that input tells it to stop,
so that it does not outlive whoever has started it. Its messages go to standard output.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from typing import Any

from ...errors import YolactDeployError
from .order import WorkOrder
from .worker import ShardWorker

JOINED, DONE, FAILED = "joined", "done", "failed"  # messages: one of them and a value


def main() -> None:
    """Work until the job is done."""
    messages = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what libraries print is no message

    def send(kind: str, value: Any = None) -> None:
        messages.write(pickle.dumps((kind, value)))

    try:
        with open(0, "rb", closefd=False) as file:
            order: WorkOrder = pickle.load(file)
        with order.open_predictor() as predictor, order.worker(predictor) as worker:
            threading.Thread(target=_stop_at_end_of_input, args=(worker,), daemon=True).start()
            send(JOINED)
            report = worker.run()
        send(DONE, report)
    except YolactDeployError as error:
        send(FAILED, str(error))
    except Exception as error:
        send(FAILED, f"{type(error).__name__}: {error}")


def _stop_at_end_of_input(worker: ShardWorker) -> None:
    while os.read(0, 1):
        pass
    worker.stop()


if __name__ == "__main__":
    import cv2

    cv2.setNumThreads(1)
    main()
    sys.exit()
