"""What Faust lacks: codec, outcomes, retry, dead letters, compat fixes."""
