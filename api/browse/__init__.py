"""Features as readers see them: searched, filtered by score, with what belongs to them, and exported."""
