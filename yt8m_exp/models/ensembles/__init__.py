"""Models that are made of other models, or of videos, and are not trained."""
