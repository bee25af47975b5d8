"""Reads the inbox through the public API."""

from typing import Any
from urllib.parse import urlencode

from harness.wait import wait_until


def conversation_of(stack, customer: str, medium: str = "MEDIUM_SMS") -> dict[str, Any] | None:
    """The conversation with a customer, or None."""
    token = ""
    while True:
        query = urlencode({"pageSize": 200, "pageToken": token})
        page = stack.get(f"/v1/conversations?{query}").expect(200).json()
        for conversation in page["conversations"]:
            if (conversation["customerNumber"], conversation["medium"]) == (customer, medium):
                return conversation
        token = page["nextPageToken"]
        if not token:
            return None


def messages_of(stack, conversation_id: str) -> list[dict[str, Any]]:
    """All messages of a conversation, oldest first."""
    messages: list[dict[str, Any]] = []
    token = ""
    while True:
        query = urlencode({"pageSize": 200, "pageToken": token})
        page = stack.get(f"/v1/conversations/{conversation_id}/messages?{query}").expect(200).json()
        messages += page["messages"]
        token = page["nextPageToken"]
        if not token:
            return messages[::-1]


def thread(stack, customer: str, medium: str = "MEDIUM_SMS") -> list[dict[str, Any]]:
    """The messages with a customer, oldest first; empty while there is no conversation."""
    conversation = conversation_of(stack, customer, medium)
    return messages_of(stack, conversation["id"]) if conversation else []


def wait_for_answer(stack, customer: str, count: int = 1, timeout_s: float = 15.0) -> list[dict]:
    """Waits until the AI's answers are there and delivered; answers the whole thread."""

    def answered():
        messages = thread(stack, customer)
        answers = [m for m in messages if m["author"] == "AUTHOR_AI"]
        delivered = [m for m in answers if m["status"] == "STATUS_DELIVERED"]
        return messages if len(delivered) >= count else None

    return wait_until(
        answered,
        timeout_s,
        lambda: [(m["author"], m["status"], m["errorMessage"]) for m in thread(stack, customer)],
        step_s=0.1,
    )
