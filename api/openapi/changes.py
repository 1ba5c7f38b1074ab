"""What is different between two contracts, and what of it breaks those who wrote against the older one.

A request may be allowed more and never less; an answer may hold more and never less. An operation that the older
contract announced as deprecated may go once its sunset is past.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from api.openapi.operations import METHODS

Kind = Literal["added", "changed", "deprecated", "removed"]
# A request breaks when a lower bound rises or an upper one falls; an answer the other way round.
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


@dataclass(frozen=True, order=True)
class Change:
    """One difference. `where` is an operation or an event type, with the place in its body."""

    where: str
    kind: Kind
    text: str
    breaking: bool = False


def changes(old: dict[str, Any], new: dict[str, Any], today: date) -> list[Change]:
    """All of them, in the order of their places."""
    return sorted(set(_Comparison(old, new, today).all()))


class _Comparison:
    def __init__(self, old: dict[str, Any], new: dict[str, Any], today: date) -> None:
        self._old, self._new, self._today = old, new, today
        self._seen: set[tuple[str, str, str, bool]] = set()

    def all(self) -> Iterator[Change]:
        before, after = _operations(self._old), _operations(self._new)
        for name in before.keys() - after.keys():
            gone = before[name].get("x-deprecation", {}).get("sunset")
            announced = gone is not None and date.fromisoformat(gone) <= self._today
            yield Change(name, "removed", "The operation is gone.", breaking=not announced)
        for name in after.keys() - before.keys():
            yield Change(name, "added", after[name].get("summary", "A new operation."))
        for name in before.keys() & after.keys():
            yield from self._operation(name, before[name], after[name])
        yield from self._webhooks()

    def _webhooks(self) -> Iterator[Change]:
        before, after = self._old.get("webhooks", {}), self._new.get("webhooks", {})
        for name in before.keys() - after.keys():
            yield Change(name, "removed", "The event type is gone.", breaking=True)
        for name in after.keys() - before.keys():
            yield Change(name, "added", after[name]["post"].get("description", "A new event type."))
        for name in before.keys() & after.keys():
            # What we send a subscriber is an answer to it.
            yield from self._contents(
                name, before[name]["post"]["requestBody"], after[name]["post"]["requestBody"], False
            )

    def _operation(self, name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
        if new.get("deprecated") and not old.get("deprecated"):
            sunset = new.get("x-deprecation", {}).get("sunset", "an unknown day")
            yield Change(name, "deprecated", f"Deprecated; it stops answering on {sunset}.")
        if old.get("x-scope") != new.get("x-scope"):
            yield Change(name, "changed", f"It needs the scope {new.get('x-scope')}.", breaking=True)
        yield from self._parameters(name, old, new)
        body, new_body = old.get("requestBody"), new.get("requestBody")
        if new_body is not None and body is None:
            yield Change(name, "changed", "It takes a body.", breaking=bool(new_body.get("required")))
        if body is not None and new_body is None:
            yield Change(name, "changed", "It takes no body any more.", breaking=True)
        if body is not None and new_body is not None:
            yield from self._contents(name, body, new_body, True)
        for status, answer in old["responses"].items():
            if status[0] != "2":
                continue
            if status not in new["responses"]:
                yield Change(name, "removed", f"It does not answer {status} any more.", breaking=True)
            else:
                yield from self._contents(name, answer, new["responses"][status], False)

    def _parameters(self, name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
        before, after = self._parameters_of(old, self._old), self._parameters_of(new, self._new)
        for key in before.keys() - after.keys():
            yield Change(f"{name} {key[1]}", "removed", "The parameter is gone.", breaking=True)
        for key in after.keys() - before.keys():
            needed = bool(after[key].get("required"))
            text = "A new parameter that is required." if needed else "A new parameter."
            yield Change(f"{name} {key[1]}", "added", text, breaking=needed)
        for key in before.keys() & after.keys():
            if after[key].get("required") and not before[key].get("required"):
                yield Change(f"{name} {key[1]}", "changed", "The parameter is required.", breaking=True)
            yield from self._schemas(f"{name} {key[1]}", before[key]["schema"], after[key]["schema"], True)

    def _parameters_of(
        self, operation: dict[str, Any], document: dict[str, Any]
    ) -> dict[tuple[str, str], dict[str, Any]]:
        found = [_resolved(one, document) for one in operation.get("parameters", [])]
        # The name of a path's parameter is ours alone.
        return {(one["in"], one["name"]): one for one in found if one["in"] != "path"}

    def _contents(self, name: str, old: dict[str, Any], new: dict[str, Any], sent: bool) -> Iterator[Change]:
        before, after = old.get("content", {}), new.get("content", {})
        for media_type in before.keys() - after.keys():
            yield Change(name, "removed", f"{media_type} is not spoken any more.", breaking=True)
        for media_type in before.keys() & after.keys():
            if "schema" in before[media_type] and "schema" in after[media_type]:
                yield from self._schemas(name, before[media_type]["schema"], after[media_type]["schema"], sent)

    def _schemas(self, place: str, old: Any, new: Any, sent: bool) -> Iterator[Change]:
        """`sent` is true for what callers write."""
        if not isinstance(old, dict) or not isinstance(new, dict):
            return
        root = " ".join(place.replace("[]", "").split(" ")[:2])
        pair = (root, str(old.get("$ref", id(old))), str(new.get("$ref", id(new))), sent)
        if pair in self._seen:
            return
        self._seen.add(pair)
        old, new = _resolved(old, self._old), _resolved(new, self._new)
        yield from self._types(place, old, new, sent)
        yield from self._bounds(place, old, new, sent)
        yield from self._properties(place, old, new, sent)
        for keyword in ("items", "additionalProperties", "propertyNames"):
            yield from self._schemas(f"{place}[]", old.get(keyword), new.get(keyword), sent)
        for keyword in ("oneOf", "anyOf"):
            for left, right in zip(old.get(keyword, []), new.get(keyword, []), strict=False):
                yield from self._schemas(place, left, right, sent)

    def _types(self, place: str, old: dict[str, Any], new: dict[str, Any], sent: bool) -> Iterator[Change]:
        before, after = _types(old), _types(new)
        if before != after and before and after:
            lost, gained = before - after, after - before
            breaking = bool(lost) if sent else bool(gained)
            yield Change(place, "changed", f"Its type is {' or '.join(sorted(after))}.", breaking=breaking)
        if "enum" in old and "enum" in new:
            first, second = {str(one) for one in old["enum"]}, {str(one) for one in new["enum"]}
            lost, gained = first - second, second - first
            if lost:
                yield Change(place, "removed", f"Values are gone: {', '.join(sorted(lost))}.", breaking=sent)
            if gained:
                yield Change(place, "added", f"New values: {', '.join(sorted(gained))}.")

    def _bounds(self, place: str, old: dict[str, Any], new: dict[str, Any], sent: bool) -> Iterator[Change]:
        if not sent:
            return
        for keywords, tighter in ((_LOWER, 1), (_UPPER, -1)):
            for keyword in keywords:
                before, after = old.get(keyword), new.get(keyword)
                if after is not None and before != after:
                    breaking = before is None or (after - before) * tighter > 0
                    yield Change(place, "changed", f"{keyword} is {after}.", breaking=breaking)
        if new.get("pattern") != old.get("pattern") and new.get("pattern") is not None:
            yield Change(place, "changed", f"pattern is {new['pattern']}.", breaking=True)

    def _properties(self, place: str, old: dict[str, Any], new: dict[str, Any], sent: bool) -> Iterator[Change]:
        before, after = old.get("properties", {}), new.get("properties", {})
        required, newly = set(old.get("required", [])), set(new.get("required", []))
        for name in before.keys() - after.keys():
            yield Change(f"{place} {name}", "removed", "The field is gone.", breaking=True)
        for name in after.keys() - before.keys():
            needed = sent and name in newly and bool(before)
            text = "A new field that is required." if needed else "A new field."
            yield Change(f"{place} {name}", "added", text, breaking=needed)
        for name in before.keys() & after.keys():
            if sent and name in newly - required:
                yield Change(f"{place} {name}", "changed", "The field is required.", breaking=True)
            if not sent and name in required - newly:
                yield Change(f"{place} {name}", "changed", "The field may be left out.", breaking=True)
            yield from self._schemas(f"{place} {name}", before[name], after[name], sent)


def _operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By method and path, as callers know them; the names of path parameters are left out."""
    found = {}
    for path, item in document["paths"].items():
        plain = "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
        for method in METHODS:
            if method in item:
                found[f"{method.upper()} {plain}"] = item[method]
    return found


def _resolved(node: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def _types(schema: dict[str, Any]) -> set[str]:
    found = schema.get("type", [])
    return {found} if isinstance(found, str) else set(found)
