"""One query per function, named for its answer.

Whatever reads or writes what a knowledge base holds takes a `KbScope`, and only `access.py` makes one.
"""
