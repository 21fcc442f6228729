"""The documents of one knowledge base: add them, watch them, mend what failed."""
