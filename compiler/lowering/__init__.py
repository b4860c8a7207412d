"""From the float graph to integer layers: fusion, encodings, thresholds, requantisers."""
