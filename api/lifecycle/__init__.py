"""How the API changes: its changelog, and what is deprecated and still called."""
