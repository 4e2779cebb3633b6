"""What each strategy of a recipe is worth."""
