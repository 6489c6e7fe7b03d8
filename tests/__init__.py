"""Tests of the person sync."""
