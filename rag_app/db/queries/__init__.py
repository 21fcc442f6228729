"""One query per function, named for its answer.

Whatever reads or writes what a knowledge base holds takes a `KbScope`, and only `access.py` makes one.

Rows are locked in one order, so that transactions wait for each other but never in a circle:

    knowledge base ── document ── job ── chunks ── words
"""
