# SPDX-License-Identifier: Apache-2.0
"""The scheduler's lock in a service that tooz has a driver for.

The libraries beneath wait without an end in places: for a name, for an
answer, for a connection to come back. So each call is made in a thread of
its own, and one that takes too long is given up together with its
connection, which also gives up whatever it would take later.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent import futures
from typing import TypeVar

from staffeln.domain import errors
from staffeln.leadership import services
from staffeln.leadership.address import check, parse_url, warning
from staffeln.leadership.settings import Settings

__all__ = ["Lock", "check", "warning"]

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")


class Lock:
    """The backend for every URL."""

    def __init__(self, url: str, holder: str, settings: Settings) -> None:
        """:raises ConfigurationError: the URL cannot be used."""
        self._address = parse_url(url, settings.lease_name)
        self._address.check_name()
        self._address.check_duration(settings.lease_duration)
        self._holder = holder
        self._settings = settings
        self._service: services.Service | None = None

    @property
    def description(self) -> str:
        """The service and the lock in words, without secrets."""
        return self._address.description

    @property
    def expires(self) -> bool:
        """Whether others can take the lock from a holder that is silent."""
        return services.expires(self._address)

    def probe(self, timeout: float) -> None:
        """Connect and log in once; takes nothing.

        :raises CoordinationError: no answer; it may heal.
        :raises ConfigurationError: these settings cannot work.
        """
        service = self._make()
        try:
            self._ask(service, service.probe, timeout)
        finally:
            _give_up(service)

    def acquire(self, timeout: float) -> bool:
        """Try once to take the lock; False: somebody else has it.

        :raises CoordinationError: no answer; the lock may be ours or not.
        :raises ConfigurationError: no try with these settings can succeed.
        """
        service = self._service
        if service is None or service.gone:
            service = self._service = self._make()
        try:
            return self._ask(service, service.acquire, timeout)
        except errors.StaffelnError:
            if not service.reconnects:
                self._discard()
            raise

    def renew(self, timeout: float) -> bool:
        """Prove that the lock is still ours, and keep it from expiring.

        :returns: False: it is lost.
        :raises CoordinationError: no answer.
        """
        service = self._service
        if service is None and self.expires:
            raise errors.CoordinationError(
                f"the {self.description} did not answer, and its connection "
                "was given up"
            )
        return service is not None and self._ask(
            service, service.prove, timeout
        )

    def release(self, timeout: float) -> None:
        """Give the lock back; nobody else's is let go.

        :raises CoordinationError: no answer; the lock goes when it expires.
        """
        if self._service is None:
            return
        try:
            self._ask(self._service, self._service.give_back, timeout)
        except errors.ConfigurationError as error:
            self._discard()
            raise errors.CoordinationError(str(error)) from None
        except errors.CoordinationError:
            self._discard()
            raise

    def close(self) -> None:
        """Let go of all connections."""
        service, self._service = self._service, None
        if service is None:
            return
        try:
            self._ask(
                service,
                service.disconnect,
                self._settings.lease_renew_deadline,
            )
        except errors.StaffelnError as error:
            LOG.debug("Not closed in good order: %s", error)

    # -- calls that end ------------------------------------------------------

    def _make(self) -> services.Service:
        try:
            return services.make(self._address, self._holder, self._settings)
        except errors.StaffelnError:
            raise
        except Exception as error:  # noqa: BLE001 - of any library
            # Nobody was asked: what fails here is in the URL.
            raise errors.ConfigurationError(
                f"[coordination] backend_url: {self._words(error)}"
            ) from None

    def _ask(
        self,
        service: services.Service,
        question: Callable[[], _T],
        timeout: float,
    ) -> _T:
        """Call a method of the service, for so many seconds at most."""
        answer: futures.Future[_T] = futures.Future()
        given_up = threading.Event()

        def run() -> None:
            try:
                answer.set_result(question())
            except Exception as error:  # noqa: BLE001 - handed to the caller
                answer.set_exception(error)
            if given_up.is_set():
                _disconnect(service)

        threading.Thread(target=run, name="lock", daemon=True).start()
        try:
            return answer.result(timeout)
        except errors.StaffelnError:
            raise
        except Exception as error:  # noqa: BLE001 - of any library
            if answer.done():
                raise self._translated(error, service) from None
        given_up.set()
        if service is self._service:
            self._discard()
        raise errors.CoordinationError(
            f"the {self.description} has not answered within {timeout:.3g} s"
        )

    def _discard(self) -> None:
        service, self._service = self._service, None
        if service is not None:
            _give_up(service)

    def _translated(
        self, error: Exception, service: services.Service
    ) -> errors.StaffelnError:
        if service.is_misconfigured(error):
            return errors.ConfigurationError(
                f"the {self.description} cannot be used: "
                f"{self._words(error)}; see {service.options_to_see}"
            )
        return errors.CoordinationError(
            f"the {self.description}: {self._words(error)}"
        )

    def _words(self, error: Exception) -> str:
        cause = services.root_cause(error)
        # etcd's client keeps its words to itself.
        text = _innermost(cause) or getattr(cause, "detail_text", "")
        text = text or str(error) or type(cause).__name__
        return self._address.without_secrets(text)


def _innermost(error: BaseException) -> str:
    """What the error beneath says, which requests and urllib3 wrap.

    Theirs tell of pools, retries and classes, and of the matter last.
    """
    text = str(error)
    beneath = (error.__cause__, getattr(error, "reason", None), *error.args)
    for each in beneath:
        if isinstance(each, BaseException):
            return _innermost(each) or text
    return text


def _give_up(service: services.Service) -> None:
    """Let a connection go, without waiting for it."""
    threading.Thread(
        target=_disconnect, args=(service,), name="lock", daemon=True
    ).start()


def _disconnect(service: services.Service) -> None:
    try:
        service.disconnect()
    except Exception as error:  # noqa: BLE001 - it is gone either way
        LOG.debug("Given up: %s", type(error).__name__)
