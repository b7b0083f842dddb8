"""What a model is: sizes, backbone, class names, thresholds."""
