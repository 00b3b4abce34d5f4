# SPDX-License-Identifier: Apache-2.0
"""The types of option values that oslo.config does not have."""

from __future__ import annotations

from oslo_config import types

from staffeln.domain import durations, errors, receivers


class Duration(types.ConfigType):  # type: ignore[misc, unused-ignore]
    """A duration such as ``1d12h``, read into a domain Duration.

    :param fixed: refuse years and months, whose length the calendar
        decides.
    :param zero_allowed: whether ``0s`` is good.
    """

    def __init__(
        self, *, fixed: bool = False, zero_allowed: bool = False
    ) -> None:
        super().__init__(type_name="duration")
        self.fixed = fixed
        self.zero_allowed = zero_allowed

    def __call__(self, value: object) -> durations.Duration:
        """Read a value. :raises ValueError: it is no such duration."""
        if isinstance(value, durations.Duration):
            return value
        try:
            duration = durations.parse(
                str(value), zero_allowed=self.zero_allowed
            )
        except errors.InvalidDurationError as error:
            raise ValueError(str(error)) from None
        if self.fixed and duration.calendar_months:
            raise ValueError(
                "years and months have no fixed length; use weeks or days"
            )
        return duration

    def __repr__(self) -> str:
        return "duration"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Duration)
            and self.fixed == other.fixed
            and self.zero_allowed == other.zero_allowed
        )

    __hash__ = None  # type: ignore[assignment]

    def _formatter(self, value: object) -> str:
        return str(value)


class MetadataKey(types.String):  # type: ignore[misc, unused-ignore]
    """A metadata key as Nova and Cinder accept it; empty is good."""

    def __init__(self) -> None:
        super().__init__(max_length=255, type_name="metadata key")

    def __call__(self, value: object) -> str:
        """Read a value. :raises ValueError: no key can look like that."""
        key = str(super().__call__(value))
        if any(letter.isspace() for letter in key):
            raise ValueError("a metadata key cannot hold white space")
        return key


class _OrUnset(types.ConfigType):  # type: ignore[misc, unused-ignore]
    """A text that may be empty, which counts as unset."""

    def __call__(self, value: object) -> str | None:
        """Read a value. :raises ValueError: it is not what it should be."""
        text = str(value).strip()
        if text:
            self._check(text)
        return text or None

    def __repr__(self) -> str:
        return str(self.type_name)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    __hash__ = None  # type: ignore[assignment]

    def _formatter(self, value: object) -> str:
        return str(value)

    def _check(self, text: str) -> None:
        raise NotImplementedError


class Address(_OrUnset):
    """A bare e-mail address."""

    def __init__(self) -> None:
        super().__init__(type_name="e-mail address")

    def _check(self, text: str) -> None:
        fault = receivers.fault(text)
        if fault:
            raise ValueError(f"not an e-mail address: {fault}")


class MailDomain(_OrUnset):
    """What comes after the @ of an address."""

    def __init__(self) -> None:
        super().__init__(type_name="mail domain")

    def _check(self, text: str) -> None:
        if not receivers.is_domain(text):
            raise ValueError("not a domain, such as backup.example.com")


class Host(_OrUnset):
    """The name or address of a server."""

    def __init__(self) -> None:
        super().__init__(type_name="host")

    def _check(self, text: str) -> None:
        types.HostAddress()(text)
