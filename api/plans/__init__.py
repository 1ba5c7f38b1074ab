"""Growth and performance plans: what a system takes after each phase."""
