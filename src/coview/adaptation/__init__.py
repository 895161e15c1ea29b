"""Is training worth it? A pretrained network or run, adapted to the user's videos, beside what it must beat."""

from coview.adaptation.adapting import Adaptation, adapt

__all__ = ["Adaptation", "adapt"]
