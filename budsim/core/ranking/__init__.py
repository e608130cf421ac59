"""Clusters ranked, replicas placed, configurations explained."""
