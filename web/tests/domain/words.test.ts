import { describe, expect, it } from 'vitest'
import { ApiError, errorOf, unreachable } from '@/api/errors'
import { aiViewOf } from '@/domain/ai'
import { newId } from '@/domain/ids'
import { parseLiveEvent, reconnectDelayMs } from '@/domain/live'
import { linkify, viewOf } from '@/domain/media'
import { colourOf, formatNumber, initials, isE164, madeUpNumber } from '@/domain/phone'
import { previewOf } from '@/domain/preview'
import { problemOf } from '@/domain/problems'
import { windowWarning } from '@/domain/whatsapp'
import { conversation, inbound, message } from '../fakes'

describe('problemOf', () => {
  const named = (code: number, reason: string) =>
    errorOf(code, { error: { status: 'X', message: 'in short', details: [{ reason }] } })

  it.each([
    [unreachable(), /cannot be reached/, true],
    [named(401, 'WRONG_CREDENTIALS'), /password is wrong/, false],
    [named(400, 'OPTED_OUT'), /opted out/, false],
    [named(429, ''), /Wait a moment/, true],
    [named(429, 'RATE_LIMITED'), /Your organization sends too many/, true],
    [named(503, ''), /problem just now/, true],
    [errorOf(502, '<html>'), /problem just now/, true],
    [named(400, 'SOMETHING_NEW'), /^In short\.$/, false],
    [errorOf(400, {}), /refused/, false],
    [new Error('a bug'), /unexpected/, true],
  ])('%o', (error, text, retryable) => {
    const problem = problemOf(error)
    expect(problem.text).toMatch(text)
    expect(problem.retryable).toBe(retryable)
  })

  it('keeps code and reason for who needs them', () => {
    expect(named(400, 'OPTED_OUT')).toBeInstanceOf(ApiError)
    expect(named(400, 'OPTED_OUT')).toMatchObject({ code: 400, reason: 'OPTED_OUT', status: 'X' })
  })
})

describe('attachments', () => {
  it.each([
    ['https://a.example/x', 'image/jpeg', 'image', 'Picture'],
    ['http://a.example/x', 'video/mp4', 'video', 'Video'],
    ['/media/1', 'application/pdf', 'file', 'File (pdf)'],
    ['https://a.example/x', '', 'file', 'File'],
  ])('%s %s', (url, contentType, kind, label) => {
    expect(viewOf({ url, contentType })).toEqual({ kind, url, label })
  })

  it.each([
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'data:text/html,x',
    'file:///x',
    'https://',
  ])('never opens %s', (url) => {
    expect(viewOf({ url, contentType: 'image/png' }).url).toBe('')
  })
})

describe('linkify', () => {
  it.each([
    ['no link', ['no link']],
    ['see https://a.example/b.', ['see ', '<https://a.example/b>', '.']],
    ['(http://a.example)', ['(', '<http://a.example>', ')']],
    ['https://a.example https://b.example', ['<https://a.example>', ' ', '<https://b.example>']],
    ['javascript:alert(1)', ['javascript:alert(1)']],
    ['', []],
  ])('%j', (text, pieces) => {
    expect(linkify(text).map((piece) => (piece.url ? `<${piece.text}>` : piece.text))).toEqual(
      pieces,
    )
  })
})

describe('numbers and names', () => {
  it('groups North American numbers and leaves others', () => {
    expect(formatNumber('+15005550006')).toBe('+1 500 555 0006')
    expect(formatNumber('+447700900123')).toBe('+447700900123')
  })
  it.each([
    ['Mia Castellanos', 'MC'],
    ['Ana Sofia Reis', 'AR'],
    ['élodie', 'É'],
    ['+15005551234', ''],
    ['', ''],
  ])('%j has the initials %j', (title, letters) => {
    expect(initials(title)).toBe(letters)
  })
  it('knows what a number looks like', () => {
    expect(isE164('+15005551234')).toBe(true)
    for (const wrong of ['', '15005551234', '+0123456789', '+1 500', '+1500555123456789']) {
      expect(isE164(wrong), wrong).toBe(false)
    }
  })
  it('makes up customers beyond the magic numbers', () => {
    expect(madeUpNumber(0)).toBe('+15005551000')
    expect(madeUpNumber(0.99999)).toBe('+15005559999')
  })
  it('gives a customer the same colour each time', () => {
    expect(colourOf('+15005551234', 8)).toBe(colourOf('+15005551234', 8))
    expect(colourOf('x', 8)).toBeLessThan(8)
  })
})

describe('previewOf', () => {
  it.each([
    [inbound({ body: 'Hi' }), 'Hi'],
    [message({ body: 'Hi' }), 'You: Hi'],
    [message({ author: 'AUTHOR_AI', body: 'Hi' }), 'AI: Hi'],
    [inbound({ body: '', media: [{ url: 'u', contentType: 'image/png' }] }), 'Sent a picture'],
    [inbound({ body: '', media: [{ url: 'u', contentType: 'text/vcard' }] }), 'Sent an attachment'],
    [inbound({ body: '', kind: 'KIND_CALL' }), 'Call'],
    [undefined, 'No messages yet'],
  ])('%#', (last, text) => {
    expect(previewOf(last)).toBe(text)
  })
})

describe('aiViewOf', () => {
  it.each([
    ['AI_STATE_READY', true, false, true],
    ['AI_STATE_PENDING', true, false, true],
    ['AI_STATE_TAKEN_OVER', false, true, true],
    ['AI_STATE_OFF', false, false, false],
    ['AI_STATE_OPTED_OUT', false, false, true],
  ] as const)('%s', (aiState, canTakeOver, canHandBack, enabled) => {
    expect(aiViewOf(conversation({ aiState }))).toMatchObject({ canTakeOver, canHandBack, enabled })
  })

  it('promises no answer where there are only calls', () => {
    const calls = conversation({ medium: 'MEDIUM_VOICE', aiState: 'AI_STATE_READY' })
    expect(aiViewOf(calls)).toMatchObject({
      tone: 'off',
      label: 'Calls only',
      canTakeOver: false,
      canHandBack: false,
      canSwitch: false,
    })
  })
})

describe('windowWarning', () => {
  const now = new Date('2026-11-21T10:00:00Z')
  const whatsapp = { medium: 'MEDIUM_WHATSAPP' } as const
  it.each([
    [conversation(), /^$/],
    [conversation(whatsapp), /has not written yet/],
    [conversation({ ...whatsapp, whatsappWindowTime: '2026-11-22T09:00:00Z' }), /^$/],
    [conversation({ ...whatsapp, whatsappWindowTime: '2026-11-21T10:30:00Z' }), /30 more min/],
    [conversation({ ...whatsapp, whatsappWindowTime: '2026-11-21T09:59:00Z' }), /will refuse/],
    [conversation({ ...whatsapp, customerNumber: '' }), /^$/],
  ])('%#', (of, text) => {
    expect(windowWarning(of, now)).toMatch(text)
  })
})

describe('live events', () => {
  it('reads the three kinds and refuses the rest', () => {
    expect(parseLiveEvent('{"number":"4","reset":{"after":"3"}}')?.reset?.after).toBe('3')
    expect(parseLiveEvent('{"number":"4","message":{"id":"m"}}')?.message?.id).toBe('m')
    for (const other of ['', 'null', '[]', '{', '{"number":"4"}', '{"number":"4","typing":{}}']) {
      expect(parseLiveEvent(other), other).toBeUndefined()
    }
  })
  it('waits longer each time, up to a bound, and never not at all', () => {
    expect(reconnectDelayMs(0, 0)).toBe(250)
    expect(reconnectDelayMs(0, 0.999)).toBeLessThan(reconnectDelayMs(3, 0.999))
    expect(reconnectDelayMs(1000, 0.999)).toBeLessThan(15_500)
  })
})

it('makes UUIDs of version 4', () => {
  expect(newId(new Uint8Array(16).fill(255))).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff')
  expect(newId(new Uint8Array(16))).toBe('00000000-0000-4000-8000-000000000000')
  expect(newId()).not.toBe(newId())
})
