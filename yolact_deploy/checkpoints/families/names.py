"""What `--family` calls each family; apart from the families, which need torch."""

from __future__ import annotations

YOLACT_EDGE = "yolact-edge"
MMDETECTION = "mmdetection"
OFFICIAL = "official"
FAMILY_NAMES = (OFFICIAL, YOLACT_EDGE, MMDETECTION)
