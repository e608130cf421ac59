"""Candidates to predictions, in batches."""
