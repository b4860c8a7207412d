"""The link to a host: frames on a line of bytes, buffers that lose nothing, and an accelerator behind two pins.

Stands on rtl.accelerator, rtl.bus and rtl.common, and on bcsim.machine and bcsim.common.
"""
