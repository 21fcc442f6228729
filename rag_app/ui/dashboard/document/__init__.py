"""One document: what was read, and the chunks it was cut into."""
