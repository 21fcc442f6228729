"""Search one's documents, and see why each passage was found."""
