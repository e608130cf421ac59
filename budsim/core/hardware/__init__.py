"""Devices, nodes, clusters, their topology and price."""
