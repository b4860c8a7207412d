"""AXI4-Stream: images and weights in, scores out.

Stands on rtl.common and bcsim.machine.
"""
