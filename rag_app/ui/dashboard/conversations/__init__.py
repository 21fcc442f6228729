"""What visitors asked and what they were answered."""
