"""Loads, when it is imported, what each trial needs: the first of a fork server's modules."""

from yt8m_exp.terminal import quiet

with quiet.startup():
    import keras  # noqa: F401  # for the processes that are forked
    import tensorflow  # noqa: F401
