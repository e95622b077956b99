"""The OpenAPI document as an HTML page without scripts or external resources."""

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
    """Render an OpenAPI document."""
    info = document["info"]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>"
        f"<style>{STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}: REST API</h1>"
        f"<p>{escape(info['description'])} Machine-readable: <a href=/openapi.json>/openapi.json</a>.</p>"
        + "".join(_operations(document))
    )


def _operations(document: dict[str, Any]) -> Iterator[str]:
    heading = ""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation["tags"][0] != heading:
                heading = operation["tags"][0]
                yield f"<h2>{escape(heading)}</h2>"
            description = operation.get("description", "")
            yield f"<h3><code>{method.upper()} {escape(path)}</code></h3><p>{escape(description)}</p>"
            parameters = [parameter for parameter in operation.get("parameters", []) if parameter["in"] != "path"]
            if parameters:
                yield "<table>" + "".join(_parameter_row(parameter) for parameter in parameters) + "</table>"
            yield from _examples("Request", operation.get("requestBody", {}).get("content", {}))
            for status, response in operation["responses"].items():
                yield from _examples(f"Response {status}", response.get("content", {}))


def _parameter_row(parameter: dict[str, Any]) -> str:
    return f"<tr><td><code>{escape(parameter['name'])}</code><td>{escape(parameter.get('description', ''))}"


def _examples(title: str, content: dict[str, Any]) -> Iterator[str]:
    for media_type, body in content.items():
        if "example" in body:
            example = escape(json.dumps(body["example"], indent=2))
            yield f"<p>{title}, {escape(media_type)}</p><pre>{example}</pre>"
