"""Operations that will go: said in the document, in every answer, and a year ahead."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime

NOTICE = timedelta(days=365)


class TooShortNotice(ValueError):
    """Integrations are owed a year."""


@dataclass(frozen=True)
class Deprecation:
    """When it was announced, when the operation stops answering, and which operation takes its place.

    >>> Deprecation(date(2027, 1, 1), date(2028, 1, 1), "list_features").headers("https://x.example")["Deprecation"]
    '@1798761600'
    """

    announced: date
    sunset: date
    successor: str | None = None

    def __post_init__(self) -> None:
        if self.sunset - self.announced < NOTICE:
            days = (self.sunset - self.announced).days
            raise TooShortNotice(f"The sunset is {days} days after the announcement: at least {NOTICE.days} are owed.")

    def headers(self, base_url: str) -> dict[str, str]:
        """`Deprecation` (RFC 9745), `Sunset` (RFC 8594) and the links that go with them."""
        links = [f'<{base_url}/docs/changelog>; rel="deprecation"', f'<{base_url}/docs/changelog>; rel="sunset"']
        if self.successor is not None:
            links.append(f'<{base_url}/docs/api#{self.successor}>; rel="successor-version"')
        return {
            "Deprecation": f"@{int(_midnight(self.announced).timestamp())}",
            "Sunset": format_datetime(_midnight(self.sunset), usegmt=True),
            "Link": ", ".join(links),
        }


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
