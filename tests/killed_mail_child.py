"""The reader of mails, but killed by some: what a fault in a library may do."""

import os
import signal
from pathlib import Path
from typing import Any, NoReturn

from rag_app.rag.sources import _mail_child
from rag_app.rag.sources._mail_text import Mail, Options

NO_SPACE_LEFT = _mail_child.NO_SPACE_LEFT
read = _mail_child._read


def main(arguments: str) -> NoReturn:
    """Read mails until one says that it kills."""
    _mail_child._read = killed
    _mail_child.main(arguments)


def killed(mail: dict[str, Any], options: Options) -> Mail:
    """Read a mail, or die of it."""
    raw = Path(f"{mail['name']}.eml").read_bytes()
    if b"X-Kill" in raw:
        os.kill(os.getpid(), signal.SIGKILL)
    while b"X-Slow" in raw:
        pass
    return read(mail, options)
