"""Figures and pages: plain arrays go in, a figure or HTML comes out."""
