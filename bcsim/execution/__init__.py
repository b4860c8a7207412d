"""The program level: integer layers on whole batches, and the float network beside them.

Stands on compiler.program, on compiler.graph for the float network and on bcsim.data.
"""
