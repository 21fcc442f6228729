"""Models and prices, for whoever runs the installation."""
