"""The accelerator's parameters, the latencies that follow from them, and the records it reads.

Stands on bcsim.common; the mapping, the simulator and the hardware stand on it.
"""
