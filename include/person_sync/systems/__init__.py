"""The two systems as frames: people, rows, what lookups point to, and their schemas."""
