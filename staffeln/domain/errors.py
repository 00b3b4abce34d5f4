# SPDX-License-Identifier: Apache-2.0
"""Staffeln's errors. What an error says is one line for an operator."""

from __future__ import annotations


class StaffelnError(Exception):
    """Anything that Staffeln itself reports; its text is one clear line."""


class ConfigurationError(StaffelnError):
    """An option is wrong: says which, its value and why."""


class InvalidDurationError(StaffelnError):
    """A text is not a duration of at least one second."""


class IllegalTransitionError(StaffelnError):
    """A task was about to be moved in a way its life does not know."""


# -- the database ----------------------------------------------------------


class StoreError(StaffelnError):
    """The database answered with an error that a retry did not heal."""


class StoreRefusedError(StoreError):
    """The database refuses what it was asked, and would again.

    Nothing was written.
    """


class SchemaError(StaffelnError):
    """The database does not have the schema that this release needs."""


class WrongCloudError(StaffelnError):
    """The database belongs to another cloud than the credentials."""


class OvertakenError(StaffelnError):
    """Another scheduler took office: this one must not write any more."""


# -- coordination ----------------------------------------------------------


class CoordinationError(StaffelnError):
    """The coordination backend did not answer, or not as it should."""


# -- the cloud -------------------------------------------------------------


class CloudError(StaffelnError):
    """The cloud did not do what was asked.

    ``status`` is the HTTP status (None where no answer came),
    ``request_id`` the OpenStack request id where one is known.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class NoAnswerError(CloudError):
    """Whether the request was carried out is not known.

    A timeout, a reset connection, or a 5xx. A request that changes
    something must be looked up before it is sent again.
    """


class NotSentError(CloudError):
    """The request did not reach the service, so nothing was carried out.

    Connection refused, name not resolved, or 429 (refused unread) after
    all retries.
    """


class StoppedError(NotSentError):
    """The process is to end: the request was not sent."""


class LateError(NotSentError):
    """Too much time had passed before the request could be sent."""


class RefusedError(CloudError):
    """A clear answer that says no (4xx); never retried."""


class InvalidRequestError(RefusedError):
    """400: the state of the thing does not allow it."""


class DependentsError(InvalidRequestError):
    """A backup cannot go before others that depend on it.

    ``backups`` are the ids of some of those, never of none.
    """

    def __init__(
        self,
        message: str,
        backups: tuple[str, ...],
        *,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.backups = backups


class ForbiddenError(RefusedError):
    """401 or 403 with a fresh token."""


class TokenRefusedError(ForbiddenError):
    """401 of a service to a token that Keystone has just given.

    The service cannot check tokens at this moment, or not those of ours.
    """


class NoRoleError(ForbiddenError):
    """The service user has no role in the project."""


class NotAdministratorError(ForbiddenError):
    """The service user lacks administrator rights."""


class NotFoundError(RefusedError):
    """404 in the service's own JSON.

    A 404 of a proxy (HTML, or JSON of another form) is a
    :class:`NoAnswerError`: it proves nothing.
    """


class OverQuotaError(RefusedError):
    """413: the project's quota does not allow it."""


class MalformedAnswerError(NoAnswerError):
    """An answer with a good status whose body is not what it should be."""


class MailError(StaffelnError):
    """A message was accepted for nobody."""


class MailAwayError(MailError):
    """A message was not tried: the server failed a moment ago."""


class MailStoppedError(MailError):
    """A message was not sent: the process is to end."""


class MailUncertainError(MailError):
    """A message may have been accepted, or not."""


NO_SUCH_REFERENCE = (
    "a $ in it is followed by the name of no option; a $ itself is written "
    "as $$"
)
"""Said of an option. What follows the $ may be the rest of a password."""
