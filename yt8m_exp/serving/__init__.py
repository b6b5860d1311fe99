"""Models and predictions as others receive them."""
