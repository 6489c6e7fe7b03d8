"""Triggers that wait for Marketo without holding a worker."""
