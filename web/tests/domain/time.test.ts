import { describe, expect, it } from 'vitest'
import { dayKey, dayTitle, parseTime, shortTime } from '@/domain/time'

const locale = { language: 'en-GB', timeZone: 'UTC' }
const now = new Date('2026-11-21T10:00:30Z')

describe('shortTime', () => {
  it.each([
    ['2026-11-21T10:00:31Z', 'now'],
    ['2026-11-21T10:00:00Z', 'now'],
    ['2026-11-21T09:59:30Z', '1 min'],
    ['2026-11-21T09:01:00Z', '59 min'],
    ['2026-11-21T09:00:00Z', '09:00'],
    ['2026-11-20T23:59:00Z', 'Yesterday'],
    ['2026-11-17T10:00:00Z', 'Tue'],
    ['2026-11-14T10:00:00Z', '14 Nov'],
    ['2025-11-21T10:00:00Z', '21 Nov 2025'],
  ])('%s is %s', (time, text) => {
    expect(shortTime(new Date(time), now, locale)).toBe(text)
  })
})

describe('dayTitle', () => {
  it.each([
    ['2026-11-21T00:00:00Z', 'Today'],
    ['2026-11-20T23:59:59Z', 'Yesterday'],
    ['2026-11-16T12:00:00Z', 'Monday 16 November'],
    ['2024-02-29T12:00:00Z', 'Thursday 29 February 2024'],
  ])('%s is %s', (time, text) => {
    expect(dayTitle(new Date(time), now, locale).replace(',', '')).toBe(text)
  })
})

it('takes the day where the reader is', () => {
  const time = new Date('2026-11-20T23:30:00Z')
  expect(dayKey(time, { timeZone: 'UTC' })).toBe('2026-11-20')
  expect(dayKey(time, { timeZone: 'Europe/Berlin' })).toBe('2026-11-21')
})

it('reads times of the API, and nothing else', () => {
  expect(parseTime('2026-11-21T10:00:30.123456Z')?.getTime()).toBe(now.getTime() + 123)
  expect(parseTime(undefined)).toBeUndefined()
  expect(parseTime('soon')).toBeUndefined()
})
