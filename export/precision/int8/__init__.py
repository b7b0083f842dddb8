"""An exported graph in int8: calibration, statistics, quantisation, and which stages stay in float."""
