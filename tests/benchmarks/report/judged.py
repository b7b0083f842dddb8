"""A judgement made by hand: a found object, a wrong class, a false detection, and a worst image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.benchmarks.judge.test_errors import CATEGORIES, MAPPING, made
from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.benchmarks.accuracy.difference_pictures import jpeg_uri
from yolact_deploy.benchmarks.judge.hints.evidence import Hint
from yolact_deploy.benchmarks.judge.judgement import Demands, Judgement, judge_results
from yolact_deploy.benchmarks.judge.truth import Truth
from yolact_deploy.benchmarks.judge.worst import WorstImage
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.config.postprocess import PostprocessConfig

BOX, OTHER = (0, 0, 8, 8), (14, 14, 8, 8)
PICTURES = [
    ([(BOX, 3, 0), (OTHER, 5, 0)], [(BOX, 1, 90, False), (OTHER, 1, 80, False)]),
    ([(BOX, 5, 0)], [(OTHER, 0, 40, False), (BOX, 3, 70, False)]),
]


def judgement(words: str = "mixed up") -> Judgement:
    """Of categories a, b and c. words: stands in a hint and names a picture."""
    dataset, results = made(PICTURES)
    config = ModelConfig(class_names=("C", "A", "other", "B"))
    metadata = ModelMetadata(config, PostprocessConfig(), "image", "fp32", "made-up", "0" * 64, "0")
    demands = Demands(0.3, 0.5, 0.95, 0.9)
    found = judge_results(dataset, Truth.of(dataset), results, MAPPING, metadata, demands)
    grey = jpeg_uri(np.full((24, 24, 3), 120, np.uint8))
    worst = (
        WorstImage(f"{words}.jpg", (("a", "wrong class"), ("a", "missed")), 1, 2, grey, grey, grey, 24, 24),
        WorstImage("other.jpg", (("c", "false"),), 1, 1, grey, grey, grey, 24, 24),
    )
    return replace(found, hints=(Hint("class names", f"b is found as a: {words}"),), worst=worst)


NAMES = tuple(category.name for category in CATEGORIES)
