"""Find providers by the name of their file, so that a new one is one new file."""

import importlib
import pkgutil
from types import ModuleType

from rag_app.errors import PermanentError

_NOT_PROVIDERS = {"contract"}


def names(package: ModuleType) -> list[str]:
    """Names of the providers in a package: its public modules but `contract`, in order."""
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in found if not name.startswith("_") and name not in _NOT_PROVIDERS)


def load(package: ModuleType, name: str) -> ModuleType:
    """Import one provider.

    Raises:
        PermanentError: there is no provider of that name.
    """
    if name not in names(package):
        raise PermanentError(f"There is no provider called {name!r}.")
    return importlib.import_module(f"{package.__name__}.{name}")
