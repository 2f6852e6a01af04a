"""What all sections of the configuration file have in common."""

from __future__ import annotations

from typing import Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails


class Section(BaseModel):
    """One section of the file: no key beside those named here, no value quoted in errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    @classmethod
    def problem(cls, values: dict[str, object]) -> str:
        """What is wrong with the keys taken together; empty if nothing is."""
        del values
        return ""

    @classmethod
    def has_section(cls, key: str) -> bool:
        """Whether a key holds a section of its own."""
        field = cls.model_fields.get(key)
        return field is not None and isinstance(field.default, Section)

    @model_validator(mode="wrap")
    @classmethod
    def _tell_all(cls, values: object, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Tell what is wrong with single keys and with all of them together, both at once."""
        told: list[InitErrorDetails] = []
        if isinstance(values, dict):
            # A section whose keys are all commented out is one with nothing but defaults.
            values = {k: v for k, v in values.items() if v is not None or not cls.has_section(k)}
        problem = cls.problem(values) if isinstance(values, dict) else ""
        if problem:
            error = ValueError(problem)
            told.append(InitErrorDetails(type="value_error", input=None, ctx={"error": error}))
        try:
            section = validate(values)
        except ValidationError as invalid:
            told += [
                InitErrorDetails(
                    type=found["type"], loc=found["loc"], input=None, ctx=found.get("ctx", {})
                )
                for found in invalid.errors(include_url=False)
            ]
        else:
            if not told:
                return section
        raise ValidationError.from_exception_data(cls.__name__, told, hide_input=True)
