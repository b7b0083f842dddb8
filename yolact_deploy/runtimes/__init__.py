"""What runs a model: one module per runtime, all with the interface of `base.Runtime`."""
