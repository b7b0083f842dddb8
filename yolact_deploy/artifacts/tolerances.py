"""How far two runs of one model may be apart: stage by stage (`compare`), in AP and detections (`bench`), and after an
export.

The numbers of `Tolerance` are relative errors, see `diagnosis.differences.difference`. Measured with ONNX Runtime,
plain and with every half-precision tensor rounded as on a GPU, on the bundled YOLACT, a YOLACT++ nano and a ResNet-50
YOLACT with seeded weights (int8: ONNX Runtime's static QDQ of the bundled YOLACT alone), with drawings and photographs;
the worst of all:

precision   C3 to coef  boxes   scores  masks   what is rounded
fp32        5e-6        3e-7    1.2e-5  6e-6    nothing: the order of additions differs
fp16        1.5e-3      9e-5    2e-3    1e-1    the network's tensors, to 11 binary digits
bf16        1.3e-2      7e-4    1.4e-2  1e-1    the same, to 8 digits
int8        1.1e-1      5e-3    1e-1    1.5e-1  weights and activations of convolutions, to 256 steps

The tolerances leave a factor of three or so, and fp32 more, because GPUs were not measured. Masks are the exception:
what dominates there is a crop whose edge falls on the next prototype pixel, which changes a whole column of a mask.
"""

from __future__ import annotations

from dataclasses import dataclass

from .tensor_names import BOXES, MASK_SCORES, MASKS, NETWORK_INPUT, SCORES

# A large picture costs more: the resize computes where to read in float32, so that its result depends on the order of
# operations in proportion to the picture's longer side. Measured with noise and with chequered pictures up to 8000 px:
# 6e-8 to 1.6e-7 a pixel in network_input; C3 to coef then had 0.3 to 10 times that.
POSITION_ROUNDING = 2.0**-22  # relative error of network_input a pixel
NETWORK_GAIN = 10  # by which the network may enlarge what was rounded there


@dataclass(frozen=True)
class Tolerance:
    """What one precision may cost."""

    network_input: float  # pixels are float32 in every precision but int8
    network: float  # C3 to coef
    boxes: float
    scores: float  # mask scores too
    masks: float  # at prototype size, after the sigmoid
    boolean_masks: float  # at image size: the root of the share of pixels that differ
    lost_share: float  # of the detections that must be found again; not used where nothing is rounded
    lost_count: int  # besides: one that was just suppressed, or just not

    def of(self, stage: str, is_packed: bool = False) -> float:
        """The relative error that `stage` may have; is_packed: masks are compared as booleans at image size."""
        if stage == MASKS:
            return self.boolean_masks if is_packed else self.masks
        special = {NETWORK_INPUT: self.network_input, BOXES: self.boxes, SCORES: self.scores, MASK_SCORES: self.scores}
        return special.get(stage, self.network)


TOLERANCES = {  # from the finest to the coarsest precision
    "fp32": Tolerance(1e-4, 1e-4, 1e-4, 1e-4, 1e-3, 3e-2, lost_share=0, lost_count=0),
    "fp16": Tolerance(1e-4, 5e-3, 1e-3, 1e-2, 1e-1, 1e-1, lost_share=0.02, lost_count=1),
    "bf16": Tolerance(1e-4, 4e-2, 5e-3, 5e-2, 2e-1, 2e-1, lost_share=0.02, lost_count=1),
    "int8": Tolerance(3e-2, 3e-1, 5e-2, 3e-1, 3e-1, 3e-1, lost_share=0.2, lost_count=1),
}


def coarsest(*precisions: str) -> str:
    """The one whose tolerances hold when models of several precisions meet; an unknown one is held to fp32."""
    order = list(TOLERANCES)
    return max((name if name in order else order[0] for name in precisions), key=order.index)


@dataclass(frozen=True)
class Gate:
    """What a model must reach. None: reported, not required."""

    max_ap_difference: float | None  # points, either way, for boxes and for masks
    min_match_rate: float | None  # 0..1


GATES = {  # precision of the network -> what it must reach
    "fp32": Gate(max_ap_difference=0.1, min_match_rate=0.995),
    "fp16": Gate(max_ap_difference=0.3, min_match_rate=0.98),
    "bf16": Gate(max_ap_difference=0.3, min_match_rate=0.98),
    "int8": Gate(max_ap_difference=1.0, min_match_rate=0.95),
}

# The check at the end of an export: float32 against float32, on one picture.
EXPORT_RAW = 1e-3  # of the raw output's largest magnitude; correct float32 implementations are near 1e-5
# Absolute; all of these range over about 0..1. Packed masks: how far from the threshold PyTorch's value is where the
# bits differ.
EXPORT_DETECTIONS = {BOXES: 1e-3, SCORES: 1e-3, MASKS: 5e-3, MASK_SCORES: 5e-3}
EXPORT_MATCHED = 0.995  # share of detections that must be found again
