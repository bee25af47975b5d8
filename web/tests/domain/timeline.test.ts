import { describe, expect, it } from 'vitest'
import { firstUnread, groupByDay } from '@/domain/timeline'
import { inbound, message } from '../fakes'

const utc = { timeZone: 'UTC' }
const at = (time: string) => ({ createTime: `2026-11-${time}Z` })
const shape = (days: ReturnType<typeof groupByDay>) =>
  days.map((day) => [day.key, ...day.runs.map((run) => run.messages.map(({ id }) => id).join(' '))])

describe('groupByDay', () => {
  it('is empty for no messages', () => {
    expect(groupByDay([], utc)).toEqual([])
  })

  it('puts what one author wrote within five minutes together', () => {
    const days = groupByDay(
      [
        inbound({ id: 'a', ...at('20T10:00:00') }),
        inbound({ id: 'b', ...at('20T10:04:59') }),
        inbound({ id: 'c', ...at('20T10:10:00') }),
        message({ id: 'd', ...at('20T10:10:01') }),
        message({ id: 'e', author: 'AUTHOR_AI', ...at('20T10:10:02') }),
      ],
      utc,
    )
    expect(shape(days)).toEqual([['2026-11-20', 'a b', 'c', 'd', 'e']])
  })

  it('begins a day at midnight, also within a run', () => {
    const days = groupByDay(
      [inbound({ id: 'a', ...at('20T23:59:59') }), inbound({ id: 'b', ...at('21T00:00:01') })],
      utc,
    )
    expect(shape(days)).toEqual([
      ['2026-11-20', 'a'],
      ['2026-11-21', 'b'],
    ])
  })

  it('leaves a message that came late where its number puts it', () => {
    const days = groupByDay(
      [
        inbound({ id: 'a', ...at('21T10:00:00') }),
        inbound({ id: 'late', late: true, ...at('20T10:00:00') }),
        inbound({ id: 'b', ...at('21T10:01:00') }),
      ],
      utc,
    )
    expect(days.map((day) => day.key)).toEqual(['2026-11-21'])
    expect(days[0]?.runs.flatMap((run) => run.messages.map(({ id }) => id))).toEqual([
      'a',
      'late',
      'b',
    ])
  })

  it('keeps calls and simulated messages apart', () => {
    const days = groupByDay(
      [
        inbound({ id: 'a', ...at('20T10:00:00') }),
        inbound({ id: 'call', kind: 'KIND_CALL', ...at('20T10:00:01') }),
        inbound({ id: 'b', ...at('20T10:00:02') }),
        inbound({ id: 'c', simulated: true, ...at('20T10:00:03') }),
      ],
      utc,
    )
    expect(shape(days)).toEqual([['2026-11-20', 'a', 'call', 'b', 'c']])
  })

  it('takes a message without a time as written now', () => {
    const now = new Date('2026-11-21T09:00:00Z')
    expect(groupByDay([message()], utc, now)[0]?.key).toBe('2026-11-21')
  })
})

describe('firstUnread', () => {
  const messages = [
    inbound({ id: 'a' }),
    message({ id: 'b' }),
    inbound({ id: 'c' }),
    inbound({ id: 'd' }),
    message({ id: 'e' }),
  ]
  it.each([
    [0, undefined],
    [1, 'd'],
    [2, 'c'],
    [3, 'a'],
    // Further back than what is loaded.
    [4, undefined],
  ])('%i unread begin with %s', (unread, id) => {
    expect(firstUnread(messages, unread)).toBe(id)
  })
})
