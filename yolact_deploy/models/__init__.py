"""The networks: all that needs `nn.Module`."""
