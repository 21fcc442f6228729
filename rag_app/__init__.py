"""Simple RAG: turn an organisation's knowledge into a chat that can be trusted."""

__version__ = "0.1.0"
