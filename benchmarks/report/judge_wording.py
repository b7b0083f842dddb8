"""What the tables about errors and thresholds mean."""

from __future__ import annotations

from yolact_deploy.benchmarks.judge.pairing import BACKGROUND_IOU
from yolact_deploy.benchmarks.report.model import BenchReport


def judge_definitions(report: BenchReport) -> list[str]:
    """A line each; nothing where accuracy was not measured."""
    if not any(model.judgement for model in report.models):
        return []
    score, iou = f"{report.options.score:g}", f"{report.options.iou:g}"
    return [
        "AP: COCO's, mean over IoU 0.50 to 0.95, the classes, and recall; by pycocotools",
        f"errors: detections of at least score {score}; best first, each takes the free object of its class with the "
        f"largest box IoU, from {iou} on",
        f"found: it has taken an object, and the mask IoU is at least {iou}, too; poor mask: the box fits, the mask "
        "does not",
        f"poor box: takes no object and overlaps one of its class by {BACKGROUND_IOU:g} to {iou}; wrong class: fits an "
        "object of another class; duplicate: fits an object of its class that a better detection has taken",
        f"false: overlaps no object by more than {BACKGROUND_IOU:g}; class and box: overlaps only objects of other "
        f"classes, by less than {iou}; missed: an object that no detection has taken, and no wrong class or poor box "
        "is about",
        "cost: how much higher the AP of boxes would be, were this kind alone put right, over all scores; as TIDE "
        "defines it (Bolya et al., ECCV 2020); the costs do not add up. Poor mask: how much lower AP is when the mask "
        "has to fit, too",
        "confusion matrix: an object that no detection of its class has taken goes to the best wrong class about it; "
        "the row nothing holds detections without an object",
        "thresholds: detections of at least the score are kept; a detection is right when it is found, as above; a "
        "score for a precision also has to reach it by a smoothed curve, so that it holds on other pictures",
    ]
