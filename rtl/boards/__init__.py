"""Boards by name: a short file each, and the top module that puts an accelerator on one.

Stands on bcsim.common and rtl.link.
"""
