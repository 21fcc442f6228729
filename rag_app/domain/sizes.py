"""How sizes read."""


def size(n_bytes: int) -> str:
    """A number of bytes as people read it."""
    if n_bytes < 1024:
        return f"{n_bytes} byte" if n_bytes == 1 else f"{n_bytes:,} bytes"
    amount = float(n_bytes)
    for unit in ("kB", "MB", "GB"):
        amount /= 1024
        if amount < 999.5 or unit == "GB":
            break
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"
