"""Logging in and registering."""
