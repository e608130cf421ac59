"""Borders to the outside: Hugging Face, embedded servers, clock, process pool, wire."""
