"""Station 10: run -> vectors. Deterministic features of whole videos, stored and searched."""
