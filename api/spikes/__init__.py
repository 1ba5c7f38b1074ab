"""Spikes: a question, a box of time, and a recommendation."""
