"""The commands of `bcsim`, one module each; bcsim.cli registers them.

Stands on bcsim.api, bcsim.results and bcsim.report, on rtl.generate for the hardware and on models for training.
"""
