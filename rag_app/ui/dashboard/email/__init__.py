"""Mailboxes of a knowledge base: connect, watch, change."""
