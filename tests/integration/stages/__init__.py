"""Tests of whole runs: real HTTP over TLS to the sandbox, a real database, faults in between."""
