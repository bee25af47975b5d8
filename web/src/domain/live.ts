// Live events as they come over the wire, and how long to wait before asking for them again.
import type { LiveEvent } from '@/api/types'

// Undefined for what is not one of ours: a newer server may say more than this page knows.
export function parseLiveEvent(data: string): LiveEvent | undefined {
  try {
    const event: unknown = JSON.parse(data)
    if (typeof event !== 'object' || event === null) return undefined
    const { message, conversation, reset } = event as LiveEvent
    return message || conversation || reset ? (event as LiveEvent) : undefined
  } catch {
    return undefined
  }
}

const DELAY_MIN_MS = 500
const DELAY_MAX_MS = 15_000

// Full jitter over a doubling ceiling; `attempt` from 0, `random` from [0, 1).
export function reconnectDelayMs(attempt: number, random: number): number {
  const ceiling = Math.min(DELAY_MAX_MS, DELAY_MIN_MS * 2 ** Math.min(attempt, 10))
  return Math.round(DELAY_MIN_MS / 2 + ceiling * random)
}
