"""Detections in the words of other programs: run lengths, polygons, COCO and Label Studio."""
