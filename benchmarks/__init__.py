"""Measurements that are made by hand, never by tests; each says at its top what it answers."""
