# SPDX-License-Identifier: Apache-2.0
"""Projects and their readers, as the cloud shows them in one round."""

from __future__ import annotations

import logging

from staffeln import ports
from staffeln.domain import errors, receivers, report

LOG = logging.getLogger(__name__)

MOST_UNREAD = 3
"""Quotas in a row that could not be read, until none is asked for."""

_NO_PROJECTS = report.ProjectList(complete=False)


class Readers:
    """What one round asks the cloud; each thing once, and only if needed."""

    def __init__(self, cloud: ports.Cloud, policy: receivers.Policy) -> None:
        self._cloud = cloud
        self._policy = policy
        self._projects: report.ProjectList | None = None
        self._why_unlisted = ""
        self._mailboxes: receivers.Mailboxes | None = None
        self._names: dict[str, str] = {}
        self._members: dict[str, receivers.Receivers] = {}
        self._gone: dict[str, bool] = {}
        self._quotas: dict[str, report.Quotas | None] = {}
        self._unread = 0

    def name(self, project_id: str) -> str | None:
        """A project's name; None: it could not be read."""
        self._list()
        return self._names.get(project_id)

    def of(self, project_id: str) -> receivers.Receivers:
        """Who reads about a project, or why nobody does.

        :raises CloudError: it could not be read.
        """
        projects = self._list()
        if self._policy.project_domain:
            if self._why_unlisted:
                # Members are not to get today what went elsewhere before.
                return receivers.Receivers(why_nobody=self._why_unlisted)
            if self._mailboxes is None:
                self._mailboxes = receivers.Mailboxes(self._policy, projects)
            found = self._mailboxes.of(project_id)
            if found.found:
                return found
        return self._of_members(project_id)

    def _of_members(self, project_id: str) -> receivers.Receivers:
        known = self._members.get(project_id)
        if known is None:
            roles = self._policy.roles
            members = self._cloud.members(project_id, roles) if roles else ()
            known = receivers.of_members(members)
            self._members[project_id] = known
        return known

    def is_gone(self, project_id: str) -> bool:
        """Whether a project was deleted: proved, never assumed.

        Rows of an earlier release may name no project at all.

        :raises CloudError: it could not be read.
        """
        if not project_id:
            return True
        self._list()
        if project_id in self._names:
            return False
        known = self._gone.get(project_id)
        if known is None:
            try:
                self._cloud.project(project_id)
                known = False
            except errors.NotFoundError:
                known = True
            self._gone[project_id] = known
        return known

    def quotas(self, project_id: str) -> report.Quotas | None:
        """A project's quotas; None: they could not be read."""
        if project_id not in self._quotas:
            self._quotas[project_id] = self._read_quotas(project_id)
        return self._quotas[project_id]

    def _read_quotas(self, project_id: str) -> report.Quotas | None:
        if not project_id or self._unread >= MOST_UNREAD:
            return None
        try:
            found = self._cloud.quotas(project_id)
        except errors.RefusedError as error:
            LOG.warning("Quotas of project %s: %s", project_id, error)
            return None
        except errors.CloudError as error:
            self._unread += 1
            LOG.warning("Quotas of project %s: %s", project_id, error)
            if self._unread == MOST_UNREAD:
                LOG.warning("No more quotas are asked for in this round")
            return None
        self._unread = 0
        return found

    def _list(self) -> report.ProjectList:
        if self._projects is None:
            try:
                self._projects = self._cloud.project_list()
            except errors.CloudError as error:
                LOG.warning("Projects have no names in reports: %s", error)
                self._projects = _NO_PROJECTS
                self._why_unlisted = "the projects could not be listed"
            self._names = {each.id: each.name for each in self._projects}
        return self._projects
