import { describe, expect, it } from 'vitest'
import {
  mergeConversations,
  mergeMessages,
  unreadConversations,
  withLastMessage,
} from '@/domain/merge'
import type { TimelineMessage } from '@/domain/message'
import { conversation, message } from '../fakes'

const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id)
const local = (writtenMs: number): NonNullable<TimelineMessage['local']> => ({
  state: 'sending',
  problem: '',
  retryable: false,
  writtenMs,
})

describe('mergeMessages', () => {
  it('orders by number, not by text, and keeps each id once', () => {
    const held = [message({ id: 'b', seq: '9' }), message({ id: 'c', seq: '10' })]
    const merged = mergeMessages(held, [
      message({ id: 'a', seq: '8' }),
      message({ id: 'b', seq: '9' }),
    ])
    expect(ids(merged)).toEqual(['a', 'b', 'c'])
  })

  it('puts what is not stored yet last, in the order of writing', () => {
    const merged = mergeMessages(
      [{ ...message({ id: 'y', seq: '0' }), local: local(2) }],
      [{ ...message({ id: 'x', seq: '0' }), local: local(1) }, message({ id: 'a', seq: '5' })],
    )
    expect(ids(merged)).toEqual(['a', 'x', 'y'])
  })

  it('lets the server have the last word on a message of ours', () => {
    const ours = { ...message({ seq: '0' }), local: local(1) }
    const theirs = message({ seq: '7' })
    expect(mergeMessages([ours], [theirs])).toEqual([theirs])
    expect(mergeMessages([theirs], [ours])).toEqual([theirs])
  })

  it.each([
    ['STATUS_SENT', 'STATUS_DELIVERED', 'STATUS_DELIVERED'],
    // A late answer or callback does not take a step back.
    ['STATUS_DELIVERED', 'STATUS_SENT', 'STATUS_DELIVERED'],
    ['STATUS_READ', 'STATUS_DELIVERED', 'STATUS_READ'],
    ['STATUS_SENDING', 'STATUS_UNCONFIRMED', 'STATUS_UNCONFIRMED'],
    ['STATUS_UNCONFIRMED', 'STATUS_SENT', 'STATUS_SENT'],
    ['STATUS_UNCONFIRMED', 'STATUS_FAILED', 'STATUS_FAILED'],
  ] as const)('of %s and then %s keeps %s', (held, incoming, kept) => {
    const merged = mergeMessages([message({ status: held })], [message({ status: incoming })])
    expect(merged[0]?.status).toBe(kept)
  })

  it('takes a step back when it is later: another attempt', () => {
    const merged = mergeMessages(
      [message({ status: 'STATUS_SENDING', statusTime: '2026-11-21T10:00:00Z' })],
      [message({ status: 'STATUS_QUEUED', statusTime: '2026-11-21T10:00:01Z' })],
    )
    expect(merged[0]?.status).toBe('STATUS_QUEUED')
  })
})

describe('mergeConversations', () => {
  it('puts the last written in first and replaces what it holds', () => {
    const held = [
      conversation({ id: 'a', updateTime: '2026-11-21T10:00:00Z' }),
      conversation({ id: 'b', updateTime: '2026-11-21T09:00:00Z', unreadCount: '0' }),
    ]
    const merged = mergeConversations(held, [
      conversation({ id: 'b', updateTime: '2026-11-21T10:00:00.5Z', unreadCount: '1' }),
    ])
    expect(ids(merged)).toEqual(['b', 'a'])
    expect(merged[0]?.unreadCount).toBe('1')
  })

  it('has one order for equal times', () => {
    const a = conversation({ id: 'a', updateTime: '2026-11-21T10:00:00Z' })
    const b = conversation({ id: 'b', updateTime: '2026-11-21T10:00:00Z' })
    expect(ids(mergeConversations([a, b], []))).toEqual(ids(mergeConversations([b, a], [])))
  })
})

describe('withLastMessage', () => {
  const list = [
    conversation({ lastMessage: message({ id: 'm2', seq: '2', status: 'STATUS_SENT' }) }),
  ]
  const last = (of: ReturnType<typeof withLastMessage>) => of[0]?.lastMessage

  it('shows a newer message, and a newer state of the last one', () => {
    expect(last(withLastMessage(list, message({ id: 'm3', seq: '3' })))?.id).toBe('m3')
    const read = message({ id: 'm2', seq: '2', status: 'STATUS_READ' })
    expect(last(withLastMessage(list, read))?.status).toBe('STATUS_READ')
  })

  it('ignores older messages, older states and other conversations', () => {
    for (const other of [
      message({ id: 'm1', seq: '1' }),
      message({ id: 'm2', seq: '2', status: 'STATUS_QUEUED' }),
      message({ id: 'm9', seq: '9', conversationId: 'elsewhere' }),
    ]) {
      expect(withLastMessage(list, other)).toEqual(list)
    }
  })
})

it('counts conversations with something unread', () => {
  const list = ['0', '3', '1'].map((unreadCount) => conversation({ unreadCount }))
  expect(unreadConversations(list)).toBe(2)
})
