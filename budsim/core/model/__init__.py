"""Model shapes, parameter counts and quantisation."""
