"""The OpenAPI document as a page to read: made here, so that nothing is fetched from elsewhere to show it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}pre{background:#f4f4f4;padding:1em;"
    "overflow:auto}h3 code{font-size:1em}table{border-collapse:collapse}td{padding:.2em 1em .2em 0;vertical-align:top}"
)


def render_html(document: dict[str, Any]) -> str:
    """The whole page."""
    info = document["info"]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>"
        f"<style>{STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}: REST</h1>"
        f"<p>{escape(info['description'])} The same for programs: <a href=/openapi.json>/openapi.json</a>.</p>"
        + "".join(_operations(document))
    )


def _operations(document: dict[str, Any]) -> Iterator[str]:
    heading = ""
    for path, verbs in document["paths"].items():
        for name, verb in verbs.items():
            if verb["tags"][0] != heading:
                heading = verb["tags"][0]
                yield f"<h2>{escape(heading)}</h2>"
            yield f"<h3><code>{name.upper()} {escape(path)}</code></h3><p>{escape(verb.get('description', ''))}</p>"
            rows = [p for p in verb.get("parameters", []) if p["in"] != "path"]
            if rows:
                yield "<table>" + "".join(_parameter_row(p) for p in rows) + "</table>"
            yield from _examples("Request", verb.get("requestBody", {}).get("content", {}))
            for status, said in verb["responses"].items():
                yield from _examples(f"Answer {status}", said.get("content", {}))


def _parameter_row(parameter: dict[str, Any]) -> str:
    return f"<tr><td><code>{escape(parameter['name'])}</code><td>{escape(parameter.get('description', ''))}"


def _examples(title: str, content: dict[str, Any]) -> Iterator[str]:
    for kind, body in content.items():
        if "example" in body:
            yield f"<p>{title}, {escape(kind)}</p><pre>{escape(json.dumps(body['example'], indent=2))}</pre>"
