# SPDX-License-Identifier: Apache-2.0
"""Errors carry what an operator needs, and their kinds fit each other."""

from staffeln.domain import errors
from staffeln.tests import base


class CloudErrorTest(base.TestCase):
    def test_what_it_carries(self) -> None:
        error = errors.OverQuotaError(
            "no room", status=413, request_id="req-1"
        )
        self.assertEqual("no room", str(error))
        self.assertEqual((413, "req-1"), (error.status, error.request_id))
        self.assertIsNone(errors.NoAnswerError("timeout").status)

    def test_a_doubt_is_never_a_refusal(self) -> None:
        for kind in (errors.NoAnswerError, errors.MalformedAnswerError):
            self.assertFalse(issubclass(kind, errors.RefusedError))
            self.assertTrue(issubclass(kind, errors.NoAnswerError))

    def test_a_malformed_answer_is_a_doubt_not_a_proof(self) -> None:
        self.assertFalse(
            issubclass(errors.NotFoundError, errors.NoAnswerError)
        )
        self.assertTrue(issubclass(errors.NotFoundError, errors.RefusedError))
