"""What sections of the settings file are made of: keys with a kind, a default and a description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict


@dataclass(frozen=True)
class Kind:
    """What a value is, as a noun phrase for error messages and documentation; `many` of them in a list."""

    text: str
    many: str = ""


class Section(BaseModel):
    """Settings that belong together. A key without a value counts as not written."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=lambda name: name.replace("_", "-"), validate_default=False
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_nothing(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {key: value for key, value in data.items() if value is not None or key not in known}


def setting(default: Any, description: str, derived: str = "") -> Any:
    extra: JsonDict | None = {"x-derived": derived} if derived else None
    return Field(default, description=description, json_schema_extra=extra)


def section(model: type[Section], description: str) -> Any:
    return Field(default_factory=model, description=description)
