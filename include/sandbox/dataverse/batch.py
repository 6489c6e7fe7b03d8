"""
Running the operations of a batch.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.sandbox.dataverse.answers import refusal_reply
from include.sandbox.dataverse.errors import Refusal
from include.sandbox.dataverse.headers import check_headers
from include.sandbox.dataverse.multipart import ChangeSet, Part, join_parts, malformed, parse_batch, reply_part
from include.sandbox.dataverse.organization import API_PATH
from include.sandbox.dataverse.preferences import parse_preferences
from include.sandbox.server import Reply

if TYPE_CHECKING:
    from include.sandbox.dataverse.access import Caller
    from include.sandbox.dataverse.operations import Operations
    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.server import Call

__all__ = ["Batch"]


class Batch:
    """One `$batch` request."""

    def __init__(self, organization: Organization, operations: Operations, caller: Caller) -> None:
        self._organization = organization
        self._operations = operations
        self._caller = caller

    def answer(self, call: Call) -> Reply:
        """
        Return one section per operation, in order.

        Without `odata.continue-on-error` the first refusal ends the batch and gives the whole its status. Raises
        Refusal for a batch that cannot be read.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api
        """
        check_headers(call)
        entries = parse_batch(call.header("Content-Type") or "", call.body)
        self._check_size(entries)
        goes_on = parse_preferences(call.header("Prefer")).continue_on_error
        sections: list[bytes] = []
        status = 200
        for entry in entries:
            section, part_status = self._change_set(entry) if isinstance(entry, ChangeSet) else self._single(entry)
            sections.append(section)
            if part_status >= 400 and not goes_on:
                status = part_status
                break
        boundary = f"batchresponse_{self._organization.identifiers.guid()}"
        headers = {"Content-Type": f"multipart/mixed; boundary={boundary}", "OData-Version": "4.0"}
        applied = parse_preferences(call.header("Prefer")).applied_header("odata.continue-on-error")
        return Reply(status, {**headers, **applied}, join_parts(sections, boundary))

    def _check_size(self, entries: list[Part | ChangeSet]) -> None:
        number = sum(len(entry.parts) if isinstance(entry, ChangeSet) else 1 for entry in entries)
        limit = self._organization.settings.max_batch_operations
        if number > limit:
            raise malformed(f"The batch request has {number} operations, which is more than the limit of {limit}.")

    def _single(self, part: Part) -> tuple[bytes, int]:
        reply = self._run(part, {})
        return reply_part(reply, part.content_id), reply.status

    def _run(self, part: Part, references: dict[str, str]) -> Reply:
        try:
            reply = self._operations.run(part.call(API_PATH, references), self._caller, references, batched=True)
        except Refusal as refusal:
            return self._refused(refusal, part)
        return self._with_request_id(reply)

    def _refused(self, refusal: Refusal, part: Part) -> Reply:
        annotated = "*" in part.headers.get("prefer", "")
        older = self._organization.settings.empty_payload_codes
        return self._with_request_id(refusal_reply(refusal, annotated=annotated, older_codes=older))

    def _with_request_id(self, reply: Reply) -> Reply:
        return Reply(reply.status, {"REQ_ID": self._organization.identifiers.guid(), **reply.headers}, reply.body)

    def _change_set(self, change_set: ChangeSet) -> tuple[bytes, int]:
        """Run a change set: all of its answers, or the one refusal that undid it."""
        sections: list[bytes] = []
        references: dict[str, str] = {}
        try:
            with self._organization.lock, self._organization.store.transaction():
                for part in change_set.parts:
                    reply = self._run_or_undo(part, references)
                    references[f"${part.content_id}"] = self._address(reply)
                    sections.append(reply_part(reply, part.content_id))
        except _Undone as undone:
            return reply_part(undone.reply), undone.reply.status
        boundary = f"changesetresponse_{self._organization.identifiers.guid()}"
        head = f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode()
        return head + join_parts(sections, boundary), 200

    def _run_or_undo(self, part: Part, references: dict[str, str]) -> Reply:
        reply = self._run(part, references)
        if reply.status >= 400:
            raise _Undone(reply)
        return reply

    def _address(self, reply: Reply) -> str:
        address = reply.headers.get("OData-EntityId") or reply.headers.get("Location") or ""
        return "/" + address.removeprefix(self._organization.api_url)


class _Undone(Exception):
    """A part of a change set was refused: the rest is taken back."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply
