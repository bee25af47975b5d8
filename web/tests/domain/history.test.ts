import { describe, expect, it } from 'vitest'
import type { MessageChange } from '@/api/types'
import { deliveryOf } from '@/domain/delivery'
import { historyLine, unconfirmedAdvice } from '@/domain/history'
import { message } from '../fakes'

function change(fields: Partial<MessageChange> = {}): MessageChange {
  return {
    status: 'STATUS_SENT',
    time: '2026-11-21T12:00:00Z',
    source: 'SOURCE_SENDER',
    actor: '',
    attempt: 1,
    messageSid: '',
    errorCode: 0,
    reason: '',
    message: '',
    ...fields,
  }
}

describe('historyLine', () => {
  it.each([
    [{}, 'Twilio has it', ''],
    [{ status: 'STATUS_DELIVERED', source: 'SOURCE_TWILIO' }, 'Delivered to the phone', 'Twilio'],
    [{ status: 'STATUS_UNCONFIRMED' }, "Twilio's answer was lost", ''],
    [
      { status: 'STATUS_FAILED', source: 'SOURCE_PERSON', actor: 'Mia', reason: 'MARKED_FAILED' },
      'Marked as failed',
      'Mia',
    ],
    [
      { status: 'STATUS_QUEUED', source: 'SOURCE_POLICY', reason: 'SENT_AGAIN' },
      'Sent again',
      'By itself',
    ],
    [
      { status: 'STATUS_QUEUED', source: 'SOURCE_PERSON', reason: 'SENT_AGAIN' },
      'Sent again',
      'Somebody who is gone',
    ],
  ] as const)('%o reads %s', (fields, text, by) => {
    expect(historyLine(change(fields))).toMatchObject({ text, by })
  })
})

describe('unconfirmedAdvice', () => {
  it('warns of a second copy unless evidence speaks against the first', () => {
    const open = message({ status: 'STATUS_UNCONFIRMED' })
    expect(unconfirmedAdvice(open)).toMatch(/twice/)
    const unconfirmed = { verdict: 'VERDICT_PROBABLY_NOT_SENT', findings: [] } as const
    expect(unconfirmedAdvice({ ...open, unconfirmed: { ...unconfirmed, findings: [] } })).toMatch(
      /probably not sent/,
    )
  })
})

it('says it if the customer may have two', () => {
  expect(deliveryOf(message({ status: 'STATUS_DELIVERED', copies: 2 }))?.detail).toMatch(/twice/)
  expect(deliveryOf(message({ status: 'STATUS_DELIVERED', copies: 1 }))?.detail).toBe('')
})
