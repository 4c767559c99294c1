"""The base of all parts of a policy."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Cannot be changed once built, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
