"""Code bases that write YOLACT checkpoints: how to recognise one, and its tensors under the official keys."""
