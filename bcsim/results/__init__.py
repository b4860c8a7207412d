"""What a run found: a model loaded, simulated, counted, compared with its float network, and summed up."""
