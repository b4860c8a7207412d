"""The float network as a graph of few operators, with shapes and constant folding.

Stands on bcsim.common.
"""
