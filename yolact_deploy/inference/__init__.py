"""`infer`: sources of pictures -> model -> drawing -> sinks, each a small file, joined by `pipeline`."""
