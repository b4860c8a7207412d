"""What issues every step and drains every sum, cycle by cycle."""
