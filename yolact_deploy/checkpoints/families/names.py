"""What `--family` calls each family; apart from the families, which need torch."""

from __future__ import annotations

YOLACT_EDGE = "yolact-edge"
MMDETECTION = "mmdetection"
YOLACT_MINIMAL = "yolact-minimal"
YOLACT_PYTORCH = "yolact-pytorch"
OFFICIAL = "official"
FAMILY_NAMES = (OFFICIAL, YOLACT_EDGE, MMDETECTION, YOLACT_MINIMAL, YOLACT_PYTORCH)
