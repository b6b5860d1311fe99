"""Shows a progress that goes on a little above its total, as a training does."""

from yt8m_exp.terminal import progress

with progress.shown("Training", 15_220) as advance:
    for done in range(256, 15_617, 256):
        advance(done, loss=10.3333, gap=0.40984)
