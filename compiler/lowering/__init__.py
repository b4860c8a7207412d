"""From the float graph to integer layers: fusion, encodings, thresholds, requantisers.

Stands on compiler.graph, which it reads, and compiler.program, which it makes.
"""
