"""Routes of the documentation: the guide and the reference of the installed version."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from oneroster_airflow import documents
from oneroster_airflow.api import models
from oneroster_airflow.api.auth import Reader

router = APIRouter(tags=["docs"])


@router.get("/docs")
def list_documents(actor: Reader) -> models.Documents:
    """List the pages of the guide, in their order, and of the reference."""
    del actor
    return models.Documents(
        pages=[
            models.DocumentName(name=name, title=title)
            for name, title in documents.list_documents()
        ]
    )


@router.get("/docs/{part}/{page}")
def read_document(
    part: Literal["guide", "reference"], page: str, actor: Reader
) -> models.DocumentPage:
    """Return a page as HTML, without its pictures. Its links are relative to the page's address."""
    del actor
    found = documents.read_document(f"{part}/{page}")
    return models.DocumentPage(name=found.name, title=found.title, html=found.html)
