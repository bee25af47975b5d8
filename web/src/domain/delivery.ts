// How far a message has come, in a word, an icon and, where something went wrong, a sentence.
import { isOutbound, type TimelineMessage } from './message'

export type DeliveryIcon = 'clock' | 'check' | 'checks' | 'alert' | 'question' | 'stop'
export type DeliveryTone = 'quiet' | 'good' | 'warning' | 'bad'

export interface Delivery {
  icon: DeliveryIcon
  tone: DeliveryTone
  text: string
  // What went wrong and what to do; empty if nothing.
  detail: string
}

// Undefined for what has no delivery to speak of: messages of the customer.
export function deliveryOf(message: TimelineMessage): Delivery | undefined {
  if (message.local) {
    return message.local.state === 'failed'
      ? { icon: 'alert', tone: 'bad', text: 'Not sent', detail: message.local.problem }
      : { icon: 'clock', tone: 'quiet', text: 'Sending…', detail: '' }
  }
  if (!isOutbound(message)) return undefined
  const detail = twice(message) || message.errorMessage
  switch (message.status) {
    case 'STATUS_SCHEDULED':
      return { icon: 'clock', tone: 'quiet', text: 'Scheduled', detail }
    case 'STATUS_QUEUED':
      return { icon: 'clock', tone: 'quiet', text: 'Queued', detail }
    case 'STATUS_SENDING':
      return { icon: 'clock', tone: 'quiet', text: 'Sending…', detail }
    case 'STATUS_SENT':
      return message.simulated
        ? { icon: 'check', tone: 'quiet', text: 'Shown here only', detail }
        : { icon: 'check', tone: 'quiet', text: 'Sent', detail }
    case 'STATUS_DELIVERED':
      return { icon: 'checks', tone: 'quiet', text: 'Delivered', detail }
    case 'STATUS_READ':
      return { icon: 'checks', tone: 'good', text: 'Read', detail }
    case 'STATUS_UNDELIVERED':
      return {
        icon: 'alert',
        tone: 'bad',
        text: 'Not delivered',
        detail: detail || withCode('The carrier did not deliver it.', message.errorCode),
      }
    case 'STATUS_FAILED':
      return {
        icon: 'alert',
        tone: 'bad',
        text: 'Failed',
        detail: detail || withCode('It was refused and not sent.', message.errorCode),
      }
    case 'STATUS_CANCELED':
      return { icon: 'stop', tone: 'quiet', text: 'Canceled', detail }
    case 'STATUS_UNCONFIRMED':
      return {
        icon: 'question',
        tone: 'warning',
        text: 'Unconfirmed',
        detail:
          detail || 'Nobody knows yet whether Twilio took it. It is not sent again by itself.',
      }
    case 'STATUS_RECEIVED':
    case 'STATUS_UNSPECIFIED':
      return undefined
  }
}

// Nothing is hidden: it was sent again, and the first turned out to have arrived.
function twice(message: TimelineMessage): string {
  return (message.copies ?? 0) > 1
    ? 'It was sent again, and Twilio had taken the first one too: the customer may have it twice.'
    : ''
}

function withCode(sentence: string, code: number): string {
  return code ? `${sentence} (Twilio error ${code})` : sentence
}
