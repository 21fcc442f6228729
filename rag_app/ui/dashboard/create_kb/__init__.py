"""The window in which a knowledge base is created or changed."""
