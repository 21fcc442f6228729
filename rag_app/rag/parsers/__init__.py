"""From a file's bytes to text by page.

    file ── sandbox.parse_file ── child process ── sniff ── guard archives ── parser ── clean ── pages

Everybody calls `sandbox.parse_file`; parsers run only in the child process, which has little memory,
little time and no network. A module of this folder that offers `MEDIA_TYPES` is a parser.
"""
