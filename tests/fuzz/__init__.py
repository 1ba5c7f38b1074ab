"""Property-based requests against the served application, made from the contract alone."""
