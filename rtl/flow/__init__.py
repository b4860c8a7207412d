"""From Verilog to a bitstream: synthesis, place and route, packing, and the proof of what came out.

Stands on bcsim.common, rtl.tools, rtl.generate and rtl.boards.
"""
