"""The array and what its sums pass through: lanes, processing elements, requantisers, pooling.

Stands on rtl.common and bcsim.machine.
"""
