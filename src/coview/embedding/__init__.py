"""Station 11: run -> vectors. Deterministic features of whole videos or their windows, stored and searched."""
