"""AXI4-Lite: the register file, the counters and the port that loads a program.

Stands on rtl.common, bcsim.machine and the words of compiler.mapping.
"""
