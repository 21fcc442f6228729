"""The FAQ of the chosen knowledge base: questions with curated answers."""
