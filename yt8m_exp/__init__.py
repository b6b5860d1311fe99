"""Experiments on YouTube-8M: train, evaluate, tune, promote and serve, every number traceable."""

from pkgutil import extend_path

# A model that was loaded first has a part of this package: the rest is that of the project.
__path__ = extend_path(__path__, __name__)
