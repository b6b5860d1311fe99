"""The published files with made-up weights, once for all tests of networks."""

import pytest

from tests.videos import fakes


@pytest.fixture(scope="session")
def graph():
    return fakes.Graph().build()


@pytest.fixture(scope="session")
def folder(graph, tmp_path_factory):
    return fakes.write(tmp_path_factory.mktemp("published"), graph)


@pytest.fixture(scope="session")
def networks(folder):
    from yt8m_exp.videos.networks import extractor

    return extractor.load(folder)
