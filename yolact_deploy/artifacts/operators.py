"""The operators of the domain `yolact`, by which a graph's nodes, their functions and the plugins find each other."""

from __future__ import annotations

DOMAIN = "yolact"  # of the nodes and of the functions; the plugins' namespace
FAST_NMS = "YolactFastNMS"
MASK_ASSEMBLY = "YolactMaskAssembly"
PLUGIN_VERSION = "1"
