"""Greetings and the owner's name: given, taken and taken away; a path of our own, beside those of the seed."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(prefix="/v2/accounts/{account_id}/vmboxes", tags=["Greetings"])
