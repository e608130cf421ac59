"""Constants from measurements: kernels' shares from kernel timings, the rest from measured runs, and how well both hold elsewhere."""
