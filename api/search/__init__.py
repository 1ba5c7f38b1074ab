"""Finding by words: the index, the query language, and corrections of typos. It knows no slice."""
