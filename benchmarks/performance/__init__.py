"""How fast a model runs, and how much memory it takes."""
