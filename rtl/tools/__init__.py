"""The tools around the hardware: Yosys as a library, and what needs it.

Stands on bcsim.common.
"""
