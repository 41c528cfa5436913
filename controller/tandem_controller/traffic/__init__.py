"""Traffic layers, one module each."""
