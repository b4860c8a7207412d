"""What a run found: a model loaded, simulated, counted, compared with its float network, and summed up.

Stands on every level below: bcsim.execution, bcsim.simulator, bcsim.costs and the compiler.
"""
