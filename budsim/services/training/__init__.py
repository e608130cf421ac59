"""Models that correct the analytic predictions, learned from measured runs."""
