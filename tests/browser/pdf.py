"""A printed page: its text and the size of its letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from math import hypot

from pypdf import PdfReader


@dataclass(frozen=True)
class PrintedText:
    """A piece of text on a page, and the height of its font in points."""

    text: str
    points: float


def pages_of(printed: bytes, most: int | None = None) -> list[list[PrintedText]]:
    """Return the texts of each page of a PDF, or of the first ones, at *most* so many."""
    return [_texts(page) for page in PdfReader(BytesIO(printed)).pages[:most]]


def smallest(pages: Sequence[Sequence[PrintedText]]) -> float:
    """Return the height of the smallest text on any of *pages*, in points."""
    return min(piece.points for page in pages for piece in page)


def _texts(page) -> list[PrintedText]:
    found: list[PrintedText] = []

    def visit(text, matrix, text_matrix, _font, size):
        if text.strip():
            found.append(PrintedText(text.strip(), _scale(matrix) * _scale(text_matrix) * size))

    page.extract_text(visitor_text=visit)
    return found


def _scale(matrix) -> float:
    """Return by how much *matrix* enlarges heights."""
    return hypot(matrix[2], matrix[3])
