"""Roofline, prefill, decode, collectives and scheduling: how fast."""
