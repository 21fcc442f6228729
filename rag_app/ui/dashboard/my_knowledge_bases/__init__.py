"""The first screen after logging in: what needs me, and my knowledge bases."""
