# SPDX-License-Identifier: Apache-2.0
"""What has to be right before a conductor may work."""

from __future__ import annotations

from staffeln.domain import errors, model

PASSING: tuple[type[errors.StaffelnError], ...] = (
    errors.NoAnswerError,
    errors.NotSentError,
    errors.TokenRefusedError,
)
"""What may heal by itself at the start: the cloud cannot be reached, or
a service cannot check tokens."""


def check_adopted(
    deployment: model.Deployment, *, backup_key_is_set: bool
) -> None:
    """Refuse to guess what an unset option means on an adopted database.

    :param backup_key_is_set: somebody set it, to whatever value.
    :raises ConfigurationError: it was not, and the database was adopted.
    """
    if deployment.adopted and not backup_key_is_set:
        raise errors.ConfigurationError(
            "[conductor] backup_metadata_key has to be set explicitly: this "
            "database comes from an earlier release, where unset meant all "
            "servers (now: an empty value)"
        )
