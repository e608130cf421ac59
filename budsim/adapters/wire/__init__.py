"""The wire contract translated to and from the services' values."""
