"""The account, its sign-ins, and how this installation is set up."""
