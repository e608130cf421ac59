"""Names, key and value types of the changelog-backed tables."""
