"""What several blocks share: memories, record layouts, stream signatures, parameter checks.

Stands on bcsim.machine.
"""
