"""Where did accuracy go? Two models on one image, compared stage by stage: see `compare.compare_models`."""
