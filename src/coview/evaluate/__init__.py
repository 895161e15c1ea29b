"""Station 11: vectors -> scores."""
