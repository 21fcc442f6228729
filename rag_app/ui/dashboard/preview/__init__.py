"""An owner's own chat with a knowledge base, before others get to it."""
