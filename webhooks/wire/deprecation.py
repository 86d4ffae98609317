"""How something that will go away says so in time: ``Deprecation`` (RFC 9745), ``Sunset`` (RFC 8594), a link. PURE."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

__all__ = ["Deprecation"]


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Not to be used any more ``since``, gone after ``sunset``; ``link`` leads to what to do instead. Both in UTC."""

    since: datetime
    sunset: datetime | None = None
    link: str = ""

    def headers(self) -> dict[str, str]:
        """The headers of an answer that speaks of it."""
        said = {"Deprecation": f"@{int(self.since.timestamp())}"}
        if self.sunset is not None:
            said["Sunset"] = format_datetime(self.sunset, usegmt=True)
        if self.link:
            said["Link"] = f'<{self.link}>; rel="deprecation"; type="text/html"'
        return said
