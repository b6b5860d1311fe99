"""The networks, loaded once for their tests."""

import pytest


@pytest.fixture(scope="session")
def networks(extractor_files):
    from yt8m_exp.videos.networks import extractor

    return extractor.load(extractor_files)
