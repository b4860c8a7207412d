"""The commands of `bcsim`, one module each; bcsim.cli registers them."""
