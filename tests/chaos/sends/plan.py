"""What a run sends, and what it does to the senders meanwhile."""

import random
import uuid
from dataclasses import dataclass

# Texts of one and of two segments (160 and 153 characters each, GSM-7).
_LONG_SHARE = 0.1
_LONG_CHARACTERS = 200


@dataclass(frozen=True)
class Plan:
    """Everything that decides a run; the same plan sends the same messages."""

    messages: int = 20_000
    numbers: int = 50
    replicas: int = 3
    kills: int = 30
    pauses: int = 3
    pause_s_max: float = 9.0
    seed: int = 1
    # Segments per second and number.
    rate: float = 5.0
    # Messages of one conversation.
    per_conversation: int = 10
    send_timeout_s: float = 2.0
    # How long all of it may take after the last kill.
    settle_s_max: float = 600.0
    # Twilio's; so that kills find requests on their way.
    latency_ms: int = 80
    status_429_rate: float = 0.05
    status_5xx_rate: float = 0.02
    # Of the 5xx answers; of these Twilio took the message all the same.
    status_5xx_processed_rate: float = 0.5
    accept_then_drop_rate: float = 0.02

    @property
    def faults(self) -> dict[str, float]:
        return {
            "latency_ms": self.latency_ms,
            "status_429_rate": self.status_429_rate,
            "status_5xx_rate": self.status_5xx_rate,
            "status_5xx_processed_rate": self.status_5xx_processed_rate,
            "accept_then_drop_rate": self.accept_then_drop_rate,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Message:
    """One message to send. `place` is its number in the conversation, from 0."""

    id: str
    conversation: int
    place: int
    number: int
    customer: str
    body: str
    segments: int


def messages_of(plan: Plan) -> list[Message]:
    """All messages, in the order in which they are asked for: every conversation's first, then
    every second, and so on. Bodies are unique."""
    dice = random.Random(plan.seed)
    conversations = max(1, plan.messages // plan.per_conversation)
    messages = []
    for n in range(plan.messages):
        conversation, place = n % conversations, n // conversations
        segments = 2 if dice.random() < _LONG_SHARE else 1
        body = f"chaos {plan.seed}/{conversation}/{place}"
        messages.append(
            Message(
                id=str(uuid.UUID(int=dice.getrandbits(128), version=4)),
                conversation=conversation,
                place=place,
                number=conversation % plan.numbers,
                customer=f"+1555{3_000_000 + conversation:07d}",
                body=body.ljust(_LONG_CHARACTERS, ".") if segments == 2 else body,
                segments=segments,
            )
        )
    return messages
