"""What models were called for, and what it cost."""
