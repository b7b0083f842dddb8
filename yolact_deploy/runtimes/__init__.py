"""What runs a model: one module a runtime, all with the interface of `base.Runtime`."""
