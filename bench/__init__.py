"""Measurements that the documentation quotes: ratios of medians, all runs interleaved in one process."""
