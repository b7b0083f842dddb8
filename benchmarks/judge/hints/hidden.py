"""Classes that a score threshold hides: that of the file, or the one that the errors are counted from."""

from __future__ import annotations

import numpy as np

from yolact_deploy.benchmarks.judge.hints.class_names import MIN_PER_CLASS
from yolact_deploy.benchmarks.judge.hints.evidence import Evidence, Hint
from yolact_deploy.benchmarks.judge.thresholds import ClassCurve, class_curves

LOW_FLOOR = 0.15  # lowest score of any detection up to which a file's threshold hides little
STILL_RIGHT = 0.7  # share of right ones among the lowest-scored detections: a threshold below would find more
MIN_HIDDEN = 0.3  # of a class's objects, below a threshold
MIN_HIDDEN_COUNT = 5  # objects, likewise
FAIR_F1, FAIR_PRECISION = 0.5, 0.6  # at the score with the best F1


def hidden_hints(evidence: Evidence) -> list[Hint]:
    """One hint for each of the two thresholds, about the classes that it hides."""
    curves = [curve for curve in class_curves(evidence.pairing) if curve.objects >= MIN_PER_CLASS]
    return [*_by_the_file(evidence, curves), *_by_the_score(evidence.score, curves)]


def _by_the_file(evidence: Evidence, curves: list[ClassCurve]) -> list[Hint]:
    scores = evidence.pairing.scores
    floor = float(scores.min()) if len(scores) else 1.0
    told = evidence.metadata.postprocess.score_threshold
    if max(floor, told) <= LOW_FLOOR or not len(scores):
        return []
    hidden = []
    for curve in curves:
        right = curve.right[-max(MIN_PER_CLASS, len(curve.right) // 4) :]  # the lowest-scored quarter
        lost = 1 - curve.right.sum() / curve.objects
        is_enough = lost >= MIN_HIDDEN and lost * curve.objects >= MIN_HIDDEN_COUNT
        if is_enough and (not len(right) or right.mean() >= STILL_RIGHT):
            hidden.append(f"{curve.name} ({lost:.0%} of its objects)")
    if not hidden:
        return []
    return [
        Hint(
            "hidden by threshold",
            f"no detection scores less than {floor:.2f}, and those just above are right, which hides objects of "
            f"{', '.join(hidden)}: the file's score_threshold is {told:g}; export with a lower --score-threshold",
        )
    ]


def _by_the_score(score: float, curves: list[ClassCurve]) -> list[Hint]:
    hidden = []
    for curve in curves:
        best = curve.best_f1()
        if best is None or best.score >= score or best.f1 < FAIR_F1:
            continue
        at_score = curve.right[curve.scores >= np.float32(score)].sum() / curve.objects
        hidden_share = best.recall - at_score
        is_fair = best.precision >= FAIR_PRECISION and at_score <= best.recall / 2
        if is_fair and hidden_share >= MIN_HIDDEN and hidden_share * curve.objects >= MIN_HIDDEN_COUNT:
            hidden.append(
                f"{curve.name} is found in {at_score:.0%}; from score {best.score:.2f} on in {best.recall:.0%} with a "
                f"precision of {best.precision:.0%}"
            )
    if not hidden:
        return []
    return [Hint("hidden by threshold", f"at score {score:g}, {'; '.join(hidden)}: a threshold of {score:g} hides it")]
