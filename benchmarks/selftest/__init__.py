"""`yolact-deploy selftest`: whether plugins, engines and figures are right on this very machine."""
