// A message as the page holds it: one of the API, or one that is still on its way there.
import type { Message, Status } from '@/api/types'

export interface TimelineMessage extends Message {
  // Set while the server has not answered for it.
  local?: {
    state: 'sending' | 'failed'
    // Why, for a person; empty while it is sent.
    problem: string
    // Whether sending the same again can help.
    retryable: boolean
    // When it was written, in milliseconds; what is local is shown in this order.
    writtenMs: number
  }
}

// Forward order of one attempt. Twilio's callbacks come late and out of order, and so do our own
// answers beside the live stream.
const RANK: Record<Status, number> = {
  STATUS_UNSPECIFIED: 0,
  STATUS_RECEIVED: 1,
  STATUS_SCHEDULED: 1,
  STATUS_QUEUED: 2,
  STATUS_SENDING: 3,
  STATUS_UNCONFIRMED: 4,
  STATUS_SENT: 5,
  STATUS_DELIVERED: 6,
  STATUS_UNDELIVERED: 6,
  STATUS_FAILED: 6,
  STATUS_CANCELED: 6,
  STATUS_READ: 7,
}

// Which of two states of one message is the newer. A step back, from sending to queued for another
// attempt, counts only if its time says so.
export function newerMessage(held: TimelineMessage, incoming: TimelineMessage): TimelineMessage {
  if (held.local || incoming.local) return incoming.local ? held : incoming
  if (RANK[incoming.status] >= RANK[held.status]) return incoming
  return timeOf(incoming) > timeOf(held) ? incoming : held
}

function timeOf(message: Message): number {
  return message.statusTime ? Date.parse(message.statusTime) : 0
}

export function isOutbound(message: Message): boolean {
  return message.direction === 'DIRECTION_OUTBOUND'
}
