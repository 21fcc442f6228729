"""Web Sources: websites that a knowledge base is filled from."""
