"""The machine level: every cycle and every address of the accelerator.

Stands on compiler.mapping, whose words it reads, and on bcsim.machine, whose latencies it computes with.
"""
