"""The wire contract: one file per conversation."""
