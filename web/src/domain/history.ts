// What happened to a message, in a person's words.
import type { Message, MessageChange } from '@/api/types'

const STATUS: Record<string, string> = {
  STATUS_SCHEDULED: 'Planned',
  STATUS_QUEUED: 'Waits for its turn',
  STATUS_SENDING: 'Being handed to Twilio',
  STATUS_SENT: 'Twilio has it',
  STATUS_DELIVERED: 'Delivered to the phone',
  STATUS_READ: 'Read',
  STATUS_UNDELIVERED: 'The carrier did not deliver it',
  STATUS_FAILED: 'Failed',
  STATUS_CANCELED: 'Canceled',
  STATUS_UNCONFIRMED: "Twilio's answer was lost",
}

export interface HistoryLine {
  text: string
  // Who said so: "Twilio", "Mia", …; empty for Parley's own sender.
  by: string
  detail: string
  time: string | undefined
}

export function historyLine(change: MessageChange): HistoryLine {
  return {
    text: textOf(change),
    by: byOf(change),
    detail: change.message,
    time: change.time,
  }
}

function textOf(change: MessageChange): string {
  if (change.reason === 'MARKED_FAILED') return 'Marked as failed'
  if (change.reason === 'SENT_AGAIN') return 'Sent again'
  return STATUS[change.status] ?? change.status
}

function byOf(change: MessageChange): string {
  switch (change.source) {
    case 'SOURCE_TWILIO':
      return 'Twilio'
    case 'SOURCE_PERSON':
      return change.actor || 'Somebody who is gone'
    case 'SOURCE_POLICY':
      return 'By itself'
    default:
      return ''
  }
}

// What is known of an unconfirmed message, and what deciding means.
export function unconfirmedAdvice(message: Message): string {
  return message.unconfirmed?.verdict === 'VERDICT_PROBABLY_NOT_SENT'
    ? 'It was probably not sent. Sending it again is the likely right choice.'
    : 'The customer may have it already: sent again, they may get it twice.'
}
