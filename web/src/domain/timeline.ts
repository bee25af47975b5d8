// A conversation as it is drawn: days, and in them runs of one author's messages.
import type { Author, Message } from '@/api/types'
import type { TimelineMessage } from './message'
import { dayKey, parseTime, type Locale } from './time'

export interface Run {
  // The first message's id.
  key: string
  author: Author
  simulated: boolean
  messages: TimelineMessage[]
}

export interface Day {
  key: string
  // Any moment of the day.
  time: Date
  runs: Run[]
}

// A pause after which an author starts a new run.
const RUN_PAUSE_MS = 5 * 60_000

// `messages` oldest first. Days follow the order of the messages: a late one stands where its
// number puts it, under the day that is already there.
export function groupByDay(
  messages: readonly TimelineMessage[],
  locale: Locale = {},
  now: Date = new Date(),
): Day[] {
  const days: Day[] = []
  let before: TimelineMessage | undefined
  for (const message of messages) {
    const time = timeOf(message, now)
    const key = dayKey(time, locale)
    let day = days[days.length - 1]
    if (!day || key > day.key) {
      day = { key, time, runs: [] }
      days.push(day)
      before = undefined
    }
    const run = day.runs[day.runs.length - 1]
    if (run && before && continues(before, message, now)) run.messages.push(message)
    else {
      day.runs.push({
        key: message.id,
        author: message.author,
        simulated: message.simulated,
        messages: [message],
      })
    }
    before = message
  }
  return days
}

function continues(before: TimelineMessage, message: TimelineMessage, now: Date): boolean {
  return (
    before.author === message.author &&
    before.simulated === message.simulated &&
    before.kind !== 'KIND_CALL' &&
    message.kind !== 'KIND_CALL' &&
    timeOf(message, now).getTime() - timeOf(before, now).getTime() < RUN_PAUSE_MS
  )
}

export function timeOf(message: TimelineMessage, now: Date): Date {
  return parseTime(message.createTime) ?? now
}

// The first message that nobody has read: the `unread` last ones of the customer begin with it.
// Undefined if there is none or it is not loaded yet.
export function firstUnread(messages: readonly Message[], unread: number): string | undefined {
  let left = unread
  if (left <= 0) return undefined
  for (let at = messages.length - 1; at >= 0; --at) {
    const message = messages[at]
    if (message?.direction === 'DIRECTION_INBOUND' && --left === 0) return message.id
  }
  return undefined
}
