"""From integer layers to what one machine runs: loop nests, memory plan, hazards, record words.

Stands on compiler.program and bcsim.machine.
"""
