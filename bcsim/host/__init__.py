"""The host's side of an accelerator on a board: frames and sessions of the link.

Stands on bcsim.common and rtl.link, which says what the fields mean.
"""
