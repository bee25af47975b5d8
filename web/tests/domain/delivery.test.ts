import { describe, expect, it } from 'vitest'
import { deliveryOf } from '@/domain/delivery'
import { inbound, message } from '../fakes'

describe('deliveryOf', () => {
  it.each([
    ['STATUS_SCHEDULED', 'Scheduled', 'quiet'],
    ['STATUS_QUEUED', 'Queued', 'quiet'],
    ['STATUS_SENDING', 'Sending…', 'quiet'],
    ['STATUS_SENT', 'Sent', 'quiet'],
    ['STATUS_DELIVERED', 'Delivered', 'quiet'],
    ['STATUS_READ', 'Read', 'good'],
    ['STATUS_UNDELIVERED', 'Not delivered', 'bad'],
    ['STATUS_FAILED', 'Failed', 'bad'],
    ['STATUS_CANCELED', 'Canceled', 'quiet'],
    ['STATUS_UNCONFIRMED', 'Unconfirmed', 'warning'],
  ] as const)('%s reads %s', (status, text, tone) => {
    expect(deliveryOf(message({ status }))).toMatchObject({ text, tone })
  })

  it('says nothing about messages of the customer', () => {
    expect(deliveryOf(inbound())).toBeUndefined()
    expect(deliveryOf(inbound({ simulated: true, status: 'STATUS_SENT' }))).toBeUndefined()
  })

  it('says that a simulated answer went nowhere', () => {
    expect(deliveryOf(message({ simulated: true, status: 'STATUS_SENT' }))?.text).toBe(
      'Shown here only',
    )
  })

  it('gives the reason that the server gave, or a sentence with the code', () => {
    const failed = { status: 'STATUS_FAILED', errorCode: 21211 } as const
    expect(deliveryOf(message({ ...failed, errorMessage: 'Not a number.' }))?.detail).toBe(
      'Not a number.',
    )
    expect(deliveryOf(message(failed))?.detail).toContain('Twilio error 21211')
  })

  it('shows a message that did not reach the server as not sent', () => {
    const local = {
      state: 'failed',
      problem: 'No network.',
      retryable: true,
      writtenMs: 0,
    } as const
    expect(deliveryOf({ ...message(), local })).toEqual({
      icon: 'alert',
      tone: 'bad',
      text: 'Not sent',
      detail: 'No network.',
    })
  })
})
