"""What a shell completes of `section.field=value` words: the fields that a command's settings have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

import click
from click.shell_completion import CompletionItem
from pydantic import BaseModel

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def settings_of(module: str, model: str) -> Complete:
    """Return a completion of the fields of a settings class, imported only when a shell asks.

    Args:
        module: where the class is.
        model: its name.
    """

    def complete(_ctx: click.Context, _param: click.Parameter, word: str) -> list[CompletionItem]:
        fields = field_names(getattr(import_module(module), model))
        return [CompletionItem(f"{name}=", help=told) for name, told in fields if name.startswith(word)]

    return complete


def field_names(model: type[BaseModel], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield name and description of each field of a settings class and of its sections, with dots."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from field_names(inner, f"{before}{name}.")
        else:
            yield before + name, field.description or ""
