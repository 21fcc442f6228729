"""Read an invitation (iCalendar, RFC 5545) as text."""

import re

MAX_EVENTS = 50
_SHOWN = {
    "SUMMARY": "Event",
    "DTSTART": "Begins",
    "DTEND": "Ends",
    "LOCATION": "Place",
    "ORGANIZER": "Invited by",
    "ATTENDEE": "Invited",
    "RRULE": "Repeats",
    "STATUS": "Status",
    "DESCRIPTION": "Description",
}
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?$")
_ESCAPED = re.compile(r"\\([nN,;\\])")


def calendar_to_text(source: str) -> str:
    """The events of a calendar file, one paragraph each; empty where there are none."""
    lines = re.sub(r"\r?\n[ \t]", "", source).splitlines()
    events: list[list[str]] = []
    inside = 0  # alarms stand inside of events
    for line in lines:
        if line.upper().startswith("BEGIN:"):
            inside = inside + 1 if inside or line.upper().strip() in {"BEGIN:VEVENT", "BEGIN:VTODO"} else 0
            if inside == 1:
                events.append([])
        elif line.upper().startswith("END:"):
            inside = max(0, inside - 1)
        elif inside == 1 and len(events) <= MAX_EVENTS:
            events[-1].append(line)
    return "\n\n".join(text for text in map(_event, events[:MAX_EVENTS]) if text)


def _event(lines: list[str]) -> str:
    found: dict[str, list[str]] = {}
    for line in lines:
        head, _, value = line.partition(":")
        name, *parameters = head.split(";")
        label = _SHOWN.get(name.upper())
        if label and value.strip():
            found.setdefault(label, []).append(_value(name.upper(), parameters, value.strip()))
    order = [label for label in _SHOWN.values() if label in found]
    return "\n".join(f"{label}: {', '.join(dict.fromkeys(found[label]))[:4_000]}" for label in order)


def _value(name: str, parameters: list[str], value: str) -> str:
    if name in {"DTSTART", "DTEND"}:
        return _time(value, parameters)
    if name in {"ORGANIZER", "ATTENDEE"}:
        called = next((each[3:].strip('"') for each in parameters if each.upper().startswith("CN=")), "")
        address = re.sub(r"^mailto:", "", value, flags=re.IGNORECASE)
        return f"{called} <{address}>" if called and called != address else address
    return _ESCAPED.sub(lambda found: "\n" if found.group(1) in "nN" else found.group(1), value)


def _time(value: str, parameters: list[str]) -> str:
    found = _TIME.match(value)
    if found is None:
        return value
    year, month, day, hour, minute, utc = found.groups()
    zone = next((each[5:] for each in parameters if each.upper().startswith("TZID=")), "")
    clock = f" {hour}:{minute} {'UTC' if utc else zone}".rstrip() if hour else ""
    return f"{year}-{month}-{day}{clock}"
