"""What a run costs: operations, traffic and energy of the machine and of the float and int8 references."""
