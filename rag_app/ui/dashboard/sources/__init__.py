"""What the pages of all kinds of sources share: one language for states, progress, history and errors."""
