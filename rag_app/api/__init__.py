"""Everything that knows HTTP: thin routes over the services."""
