"""What may be the cause when detections do not fit the annotations: each hint only where the numbers show it."""
