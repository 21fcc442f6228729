"""The process that does durable work."""
