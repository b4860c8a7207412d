"""What a run costs: operations, traffic and energy of the machine and of the float and int8 references.

Stands on compiler.mapping, whose loop nests it counts, on compiler.program and on bcsim.machine.
"""
