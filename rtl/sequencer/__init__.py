"""What issues every step and drains every sum, cycle by cycle.

Stands on rtl.common and bcsim.machine.
"""
