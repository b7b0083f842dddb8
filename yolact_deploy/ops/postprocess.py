"""The reference post-processing in PyTorch: raw outputs -> detections, exactly the official numbers and order.

Sources: official layers/functions/detection.py (`Detect.fast_nms`, `Detect.cc_fast_nms`) and layers/output_utils.py
(`postprocess`). Equal scores, which the official code leaves to chance, are ordered by class, then by prior index. The
official `discard_mask_area` is a rule of the training loss alone: at inference no mask is too small.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from ..config.model import STRETCH
from ..config.postprocess import PostprocessConfig
from ..types import Detections, KeptDetections, NetworkDetections, RawOutputs
from .boxes import FINITE_LIMIT, box_iou, crop_windows, decode
from .masks import MASK_THRESHOLD
from .view import View

MaskIoU = Callable[[torch.Tensor], torch.Tensor]  # masks [D,Hp,Wp] -> predicted IoU of each class [D,C]


def detect(raw: RawOutputs, config: PostprocessConfig) -> list[KeptDetections]:
    """Fast NMS of every image in the batch."""
    return [
        fast_nms(raw.loc[index], raw.conf[index], raw.coef[index], raw.priors, config) for index in range(len(raw.loc))
    ]


def fast_nms(
    loc: torch.Tensor, conf: torch.Tensor, coef: torch.Tensor, priors: torch.Tensor, config: PostprocessConfig
) -> KeptDetections:
    """Fast NMS (Bolya et al. 2019, section 4) of one image.

    loc [N,4], conf [N,1+C] after softmax, coef [N,K], priors [N,4]. Priors whose best class is not above
    `score_threshold` are dropped; then each class sorts all that remain, and a detection falls when its IoU with any
    better one of its class exceeds `iou_threshold`, whether that one falls itself or not. With `cross_class` all
    classes are one, and each prior stands for its best.

    A prior with a score or box that is not finite is never a candidate. Rules of other code than the official: with
    `candidates_per_level` the candidates of each level that score highest, whatever their class, remain; `clip_boxes`
    holds boxes within the image before they are compared; with `threshold_per_class` the score of a detection itself
    has to be above the threshold.

    Raises ConfigError where `level_priors` are not those of these priors.
    """
    config.check_levels(len(priors))
    scores = conf[:, 1:]  # [N,C]
    boxes = decode(loc, priors)  # [N,4]
    candidates = _candidates(scores, boxes, config.score_threshold).nonzero().squeeze(1)
    if config.candidates_per_level:
        candidates = _best_of_levels(candidates, scores, config)
    if config.clip_boxes:
        boxes = boxes.clamp(0, 1)
    scores, boxes = scores[candidates], boxes[candidates]
    if config.cross_class:
        rows, classes = scores.max(dim=1, keepdim=True) if len(scores) else (scores[:, :1], scores[:, :1].long())
    else:
        rows = scores
        classes = torch.arange(scores.shape[1], device=scores.device).expand(scores.shape)
    order = rows.t().sort(dim=1, descending=True, stable=True).indices[:, : config.top_k]  # [C',n]
    sorted_scores = rows.t().gather(1, order)
    sorted_classes = classes.t().gather(1, order)
    better_iou = box_iou(boxes[order], boxes[order]).triu(diagonal=1)  # [C',n,n], row better than column
    survives = (better_iou <= config.iou_threshold).all(dim=1)
    if config.threshold_per_class:
        survives &= sorted_scores > config.score_threshold
    flat_scores, flat_classes, flat_order = sorted_scores[survives], sorted_classes[survives], order[survives]
    best = flat_scores.sort(descending=True, stable=True).indices[: config.output_count]
    kept = flat_order[best]
    return KeptDetections(
        boxes=boxes[kept],
        scores=flat_scores[best],
        classes=flat_classes[best],
        coefs=coef[candidates[kept]],
        prior_indices=candidates[kept],
    )


def _candidates(scores: torch.Tensor, boxes: torch.Tensor, score_threshold: float) -> torch.Tensor:
    """Which priors [N] take part: best class above the threshold, all scores and the box finite."""
    finite = (scores.sum(dim=1).abs() <= FINITE_LIMIT) & (boxes.abs().sum(dim=1) <= FINITE_LIMIT)  # False for NaN
    return (scores > score_threshold).any(dim=1) & finite


def _best_of_levels(candidates: torch.Tensor, scores: torch.Tensor, config: PostprocessConfig) -> torch.Tensor:
    """Of the candidates [n] of each level the best by any class of scores [N,C], in the order of all priors."""
    best = scores.amax(dim=1)
    kept, start = [], 0
    for count in config.level_priors:
        level = candidates[(candidates >= start) & (candidates < start + count)]
        order = best[level].sort(descending=True, stable=True).indices[: config.candidates_per_level]
        kept.append(level[order].sort().values)
        start += count
    return torch.cat(kept)


def assemble_masks(proto: torch.Tensor, coefs: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Instance masks at prototype size: proto [Hp,Wp,K], coefs [D,K], relative boxes [D,4] -> [D,Hp,Wp].

    Sigmoid of the linear combination (section 3.2), cropped to each box with one pixel of padding.
    """
    masks = torch.sigmoid(proto @ coefs.t()).permute(2, 0, 1)
    return crop(masks, boxes)


def crop(masks: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Zero outside each box: masks [D,Hp,Wp], relative boxes [D,4] -> [D,Hp,Wp]."""
    _, height, width = masks.shape
    windows = torch.from_numpy(crop_windows(boxes.cpu().numpy(), height, width)).to(masks.device)
    x1, y1, x2, y2 = windows[:, :, None, None].unbind(1)  # each [D,1,1]
    columns = torch.arange(width, device=masks.device).view(1, 1, width)
    rows = torch.arange(height, device=masks.device).view(1, height, 1)
    inside = (columns >= x1) & (columns < x2) & (rows >= y1) & (rows < y2)
    return torch.where(inside, masks, torch.zeros_like(masks))


def rescore_masks(
    mask_iou_net: MaskIoU, masks: torch.Tensor, classes: torch.Tensor, scores: torch.Tensor
) -> torch.Tensor:
    """Mask scores [D] of YOLACT++: each score times the IoU that the net predicts for the detection's class.

    masks [D,Hp,Wp] after sigmoid and crop, classes [D] int64, scores [D].
    """
    iou = mask_iou_net(masks)  # [D,C]
    return scores * iou.gather(1, classes.unsqueeze(1)).squeeze(1)


def network_detections(
    raw: RawOutputs, config: PostprocessConfig, mask_iou_net: MaskIoU | None = None, view: View | None = None
) -> list[NetworkDetections]:
    """Fast NMS and mask assembly of every image: what an end-to-end engine returns, as numpy arrays.

    mask_iou_net: the model's, None for YOLACT. The order is that of the box scores in any case. view: of the images,
    whose boxes are then relative to the image; None: to what the network sees.
    """
    results = []
    for index, kept in enumerate(detect(raw, config)):
        masks = assemble_masks(raw.proto[index], kept.coefs, kept.boxes)
        boxes, mask_scores = kept.boxes.cpu().numpy(), kept.scores
        if mask_iou_net is not None and len(masks):
            mask_scores = rescore_masks(mask_iou_net, masks, kept.classes, kept.scores)
        results.append(
            NetworkDetections(
                boxes=boxes if view is None else view.to_image(boxes),
                scores=kept.scores.cpu().numpy(),
                classes=kept.classes.cpu().numpy(),
                masks=masks.cpu().numpy(),
                mask_scores=mask_scores.cpu().numpy(),
            )
        )
    return results


def full_size_masks(masks: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Masks [D,Hp,Wp] -> [D,height,width] bool, as the official `postprocess` does it: every pixel of every mask.

    The definition that `masks.masks_at_image_size` is tested against, and the yardstick of the speed comparison.
    """
    return upsample_masks(masks, height, width) > MASK_THRESHOLD


def upsample_masks(masks: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Soft masks [D,Hp,Wp] -> [D,height,width], bilinear, `align_corners=False`."""
    if len(masks) == 0:
        return masks.new_zeros((0, height, width))
    return F.interpolate(masks[None], size=(height, width), mode="bilinear", align_corners=False)[0]


def reference_detections(
    raw: RawOutputs,
    config: PostprocessConfig,
    height: int,
    width: int,
    mask_iou_net: MaskIoU | None = None,
    resize: str = STRETCH,
) -> list[Detections]:
    """The whole official post-processing of a batch of `height` x `width` px images, masks full-size."""
    view, results = View.of(resize, height, width), []
    for found in network_detections(raw, config, mask_iou_net, view):
        masks = full_size_masks(torch.as_tensor(found.masks), *view.seen)[:, :height, :width]
        results.append(
            Detections(
                boxes=view.pixels(found.boxes),
                scores=found.scores,
                mask_scores=found.mask_scores,
                classes=found.classes,
                masks=masks.numpy(),
            )
        )
    return results
