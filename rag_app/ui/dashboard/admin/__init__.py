"""Accounts and plans, for who runs the installation."""
