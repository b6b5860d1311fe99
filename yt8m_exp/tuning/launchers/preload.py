"""Loads, when it is imported, what each trial needs: the first of a fork server's modules."""

from yt8m_exp.terminal import quiet

quiet.load_tensorflow()
