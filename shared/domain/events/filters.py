"""Filters: what a subscriber of a trigger may ask for, and what of an event must meet it."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

from shared.domain.rules import AnyRule

ANY: Final = "any"

Asked = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Filters(BaseModel):
    """What a subscriber of one trigger may ask for; `any_instance` says that it may be of all instances at once."""

    any_instance: ClassVar[bool] = False

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")

    def route(self) -> tuple[str, ...]:
        """The values that an event's own must meet, in the order of `met`; ids by key."""
        raise NotImplementedError

    @classmethod
    def met(cls, data: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
        """All routes that an event with this data meets; ids by key."""
        raise NotImplementedError

    @classmethod
    def row(cls, data: Mapping[str, Any]) -> str | None:
        """The id of the one rule that an event with this data is for, if it is for one."""
        del data
        return None

    def asked(self) -> Mapping[str, Any]:
        """All that is asked for, by its name on the wire; ids by key."""
        return self.model_dump(by_alias=True)

    def rule(self, rule_id: str) -> AnyRule | None:
        """The rule to watch for these filters, if they hold one."""
        del rule_id
        return None


class Choice(Filters):
    """The one thing to hear of, in the field `chosen`; none: any."""

    chosen: ClassVar[str]

    def route(self) -> tuple[str, ...]:
        """What is chosen, or any."""
        return (named(self._chosen()),)

    @classmethod
    def met(cls, data: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
        """What the event is about, or any."""
        return or_any(named(cls.spelled(str(data.get(to_camel(cls.chosen))))))

    def asked(self) -> Mapping[str, Any]:
        """What is chosen, by its name on the wire."""
        return {to_camel(self.chosen): self._chosen()}

    @classmethod
    def spelled(cls, value: str) -> str:
        """It as it is compared."""
        return value

    def _chosen(self) -> str | None:
        value: str | None = getattr(self, self.chosen)
        return self.spelled(value) if value else value


class RuleFilters(Filters):
    """What makes a rule: the poll watches it, and an event names the very rule it is for."""

    def route(self) -> tuple[str, ...]:
        """Nothing: all rules stand in one place."""
        return ()

    @classmethod
    def met(cls, data: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
        """All rules stand in one place."""
        del data
        return [()]

    @classmethod
    def row(cls, data: Mapping[str, Any]) -> str | None:
        """The rule that the event names."""
        return str(data.get("ruleId"))


def named(value: str | None) -> str:
    """A name as a route has it, which is never taken for any; none: any."""
    return f"={value}" if value is not None else ANY


def or_any(*values: str) -> Sequence[tuple[str, ...]]:
    """Every combination of these values and any."""
    return list(dict.fromkeys(itertools.product(*((value, ANY) for value in values))))
