"""What tests of figures share."""

import io

from matplotlib.figure import Figure


def require_clear_titles(figure: Figure) -> None:
    """Fails where a figure cannot be drawn, or its titles and labels touch or leave it."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")
    for axes in figure.axes:
        texts = [axes.title, axes._left_title, axes._right_title]
        texts += [axes.xaxis.label, axes.yaxis.label]
        boxes = [text.get_window_extent() for text in texts if text.get_text()]
        assert boxes
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[i + 1 :])
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1


def texts(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(lambda o: hasattr(o, "get_text")))
