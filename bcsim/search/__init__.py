"""Machines found for a network: the best for a part, and what a range of them costs and does.

Stands on bcsim.costs and bcsim.simulator, compiler.mapping, compiler.program, bcsim.machine and bcsim.common.
"""
