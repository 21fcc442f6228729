"""What the product does, told without web, State or SQL; collaborators are fields."""
