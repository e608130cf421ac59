"""The candidate space and the ways through it."""
