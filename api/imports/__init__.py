"""Bringing in what other tools hold."""
