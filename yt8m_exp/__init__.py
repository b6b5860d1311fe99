"""Experiments on YouTube-8M: train, evaluate, tune, promote and serve, every number traceable."""
