import { describe, expect, it } from 'vitest'
import { callOutcome } from '@/domain/call'

describe('callOutcome', () => {
  it.each([
    ['CALL_STATUS_RINGING', 0, 'ringing'],
    ['CALL_STATUS_NO_ANSWER', 0, 'not answered'],
    ['CALL_STATUS_COMPLETED', 5, '0:05 min'],
    ['CALL_STATUS_COMPLETED', 125, '2:05 min'],
    ['CALL_STATUS_UNSPECIFIED', 0, ''],
    ['', 0, ''],
  ])('%s after %i s is "%s"', (status, seconds, want) => {
    expect(callOutcome(status, seconds)).toBe(want)
  })
})
