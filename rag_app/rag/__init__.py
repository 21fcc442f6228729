"""The stages from file to answer: pure or network-bound, never SQL."""
