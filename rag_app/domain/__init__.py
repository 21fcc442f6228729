"""The words of the trade as small frozen values; no I/O, no framework."""
