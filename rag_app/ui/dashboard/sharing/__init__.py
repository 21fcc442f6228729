"""The switch that makes a knowledge base public, with its link and QR code."""
