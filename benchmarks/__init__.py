"""What a model does and how fast: accuracy (COCO AP), parity with the reference, latency, memory, and the report.

`bench.run_bench` does it all; each part works alone. Nothing is imported here, so that the memory of a model can be
measured in a process that holds little else.
"""
