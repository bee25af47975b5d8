import { describe, expect, it } from 'vitest'
import { proposeTime, sendTimeOf } from '@/domain/schedule'

// In the zone of whoever runs it, as the field's times are.
const now = new Date(2026, 10, 21, 23, 30)

describe('sendTimeOf', () => {
  it.each([
    ['2026-11-21T23:31', new Date(2026, 10, 21, 23, 31).toISOString()],
    ['2026-11-21T23:30', undefined],
    ['2025-01-01T00:00', undefined],
    ['', undefined],
    ['tomorrow', undefined],
  ])('%s', (field, time) => {
    expect(sendTimeOf(field, now)).toBe(time)
  })
})

it('proposes the next full hour, also of the next day', () => {
  expect(proposeTime(now)).toBe('2026-11-22T00:00')
  expect(sendTimeOf(proposeTime(now), now)).toBeDefined()
})
