"""A function for CVAT's auto-annotation, which draws what a model finds into a task as masks:

cvat-cli task auto-annotate TASK --function-file examples/cvat_function.py -p model=str:model.onnx
"""

import cvat_sdk.auto_annotation as cvataa
from cvat_sdk.masks import encode_mask
from PIL.Image import Image

from yolact_deploy import Predictor

SCORE = 0.3  # lowest, where neither cvat-cli (--conf-threshold) nor the model's file says one


class Function:
    """What CVAT calls: `spec` once, `detect` for each picture of the task."""

    def __init__(self, model: str, device: str = "auto") -> None:
        self._predictor = Predictor.open(model, device=device)
        names = self._predictor.metadata.config.class_names
        labels = [cvataa.label_spec(name, index, type="any") for index, name in enumerate(names)]
        self.spec = cvataa.DetectionFunctionSpec(labels=labels)

    def detect(self, context: cvataa.DetectionFunctionContext, image: Image) -> list[cvataa.DetectionAnnotation]:
        """Masks with their scores; those without a pixel are left out."""
        if context.conv_mask_to_poly:
            raise ValueError("polygons of CVAT have no holes: leave out --conv-mask-to-poly")
        default = 0.0 if self._predictor.thresholds else SCORE
        self._predictor.score_threshold = default if context.conf_threshold is None else context.conf_threshold
        found = [one for one in self._predictor(image) if one.mask.any()]
        return [cvataa.mask(one.class_index, encode_mask(one.mask), score=one.score) for one in found]


def create(model: str, device: str = "auto") -> Function:
    """What cvat-cli calls with the values of its -p options."""
    return Function(model, device)
