"""Compute the colours of a portal from those of its theme, so that every text on it can be read.

PURE. A theme names an accent colour and perhaps a background. Text on a colour is black or white, the one with more
contrast; an accent is darkened or lightened until links in it have a contrast of 4.5 to 1 (WCAG 2.2, 1.4.3).
"""

import re
from typing import Any, NamedTuple

HEX = re.compile(r"#[0-9a-fA-F]{6}")
DEFAULT_ACCENT = "#2456c4"
LIGHT, DARK = "#ffffff", "#12161d"
MIN_CONTRAST = 4.6  # the standard says 4.5; rounding to 8 bits costs a little
GOOD_CONTRAST = 7.0
SOFT_BLACK = "#12161d"
STEPS = 50
FONTS = {
    "system": 'system-ui, -apple-system, "Segoe UI", sans-serif',
    "humanist": 'Seravek, "Gill Sans Nova", Ubuntu, Calibri, "DejaVu Sans", sans-serif',
    "geometric": 'Avenir, Montserrat, Corbel, "URW Gothic", sans-serif',
    "serif": 'Charter, "Bitstream Charter", "Sitka Text", Cambria, serif',
    "rounded": 'ui-rounded, "Hiragino Maru Gothic ProN", Quicksand, Comfortaa, sans-serif',
    "monospace": 'ui-monospace, "Cascadia Code", Menlo, Consolas, monospace',
}
"""Stacks of fonts that machines have, by name: nothing is loaded from another host."""
MODES = ("auto", "light", "dark")


class Palette(NamedTuple):
    """The colours of the pages in one mode."""

    paper: str
    ink: str
    accent: str
    button: str
    on_button: str


def palette(theme: dict[str, Any], *, dark: bool) -> Palette:
    """Return the colours of a theme in one mode."""
    paper = (theme.get("background_dark") or DARK) if dark else (theme.get("background") or LIGHT)
    button = theme.get("accent") or DEFAULT_ACCENT
    return Palette(
        paper=paper,
        ink=text_on(paper),
        accent=readable(button, paper),
        button=button,
        on_button=text_on(button),
    )


def font_of(theme: dict[str, Any]) -> str:
    """Return the font stack of a theme."""
    return FONTS.get(theme.get("font") or "system", FONTS["system"])


def text_on(colour: str) -> str:
    """Return black or white: the one that is easier to read on a colour; a softer black where it is as good."""
    if contrast(SOFT_BLACK, colour) >= GOOD_CONTRAST:
        return SOFT_BLACK
    return max(("#000000", "#ffffff"), key=lambda text: contrast(text, colour))


def readable(colour: str, paper: str) -> str:
    """Return the colour, moved towards black or white as far as a text in it needs to be read on ``paper``."""
    target = (0.0, 0.0, 0.0) if luminance(paper) > 0.18 else (255.0, 255.0, 255.0)
    start = _channels(colour)
    for step in range(STEPS + 1):
        share = step / STEPS
        mixed = _hex(*(a + (b - a) * share for a, b in zip(start, target, strict=True)))
        if contrast(mixed, paper) >= MIN_CONTRAST:
            return mixed
    return text_on(paper)


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2.2)."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, from 0 to 1 (WCAG 2.2)."""
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = bytes.fromhex(colour[1:])
    return float(red), float(green), float(blue)


def _hex(*channels: float) -> str:
    return "#" + "".join(f"{round(channel):02x}" for channel in channels)
