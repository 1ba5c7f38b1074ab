"""Technical debt: what it costs, when paying it down pays back, and the case for it."""
