"""The tabs of an owner; each is a folder with its page, state and view models."""
