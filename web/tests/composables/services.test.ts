import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { effectScope, ref, type EffectScope } from 'vue'
import type { Conversation, Message } from '@/api/types'
import { useCancel } from '@/composables/useCancel'
import { useConversation } from '@/composables/useConversation'
import { useConversations } from '@/composables/useConversations'
import { useMessages } from '@/composables/useMessages'
import { createServices, type Services } from '@/composables/useServices'
import { conversation, FakeServer, FakeSource, inbound, message, settled } from '../fakes'

let server: FakeServer
let services: Services
let sources: FakeSource[]
let waits: (() => void)[]
let scope: EffectScope

beforeEach(() => {
  server = new FakeServer()
  sources = []
  waits = []
  services = createServices({
    fetch: server.fetch,
    openSource: (path) => {
      const source = new FakeSource(path)
      sources.push(source)
      return source
    },
    wait: (_ms, then) => {
      waits.push(then)
      return () => undefined
    },
    random: () => 0,
  })
  scope = effectScope()
})
afterEach(() => scope.stop())

function run<T>(use: () => T): T {
  const result = scope.run(use)
  if (!result) throw new Error('the scope has ended')
  return result
}
function openStream(): FakeSource {
  services.live.start()
  const source = sources[sources.length - 1]
  if (!source) throw new Error('no stream was opened')
  source.open()
  return source
}
const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id)
const page = (messages: Message[], nextPageToken = '') => ({ messages, nextPageToken })
const list = (conversations: Conversation[], nextPageToken = '') => ({
  conversations,
  nextPageToken,
})

describe('session', () => {
  it('restores who is logged in from the cookie', async () => {
    const done = services.session.restore()
    const request = await server.next()
    expect(request.route).toBe('GET /v1/sessions/current')
    request.answer({ role: 'ROLE_AGENT' })
    await done
    expect(services.session.loggedIn.value).toBe(true)
    expect(services.session.mayWrite.value).toBe(true)
  })

  it('knows that nobody is logged in from 401, and not from silence', async () => {
    let done = services.session.restore()
    ;(await server.next()).answer({}, 401)
    await done
    expect(services.session.state.value).toBe('done')
    done = services.session.restore()
    ;(await server.next()).fail()
    await done
    expect(services.session.state.value).toBe('error')
    expect(services.session.problem.value).toMatch(/cannot be reached/)
  })

  it('says why a log-in failed', async () => {
    const done = services.session.logIn('a@example.com', 'wrong')
    const request = await server.next()
    expect(request.body).toEqual({ email: 'a@example.com', password: 'wrong' })
    request.answer({ error: { details: [{ reason: 'WRONG_CREDENTIALS' }] } }, 401)
    expect(await done).toMatch(/password is wrong/)
    expect(services.session.loggedIn.value).toBe(false)
  })

  it('stays logged in when logging out did not reach the server', async () => {
    const inn = services.session.logIn('a@example.com', 'right')
    ;(await server.next()).answer({ session: { role: 'ROLE_VIEWER' }, token: 't' })
    await inn
    expect(services.session.mayWrite.value).toBe(false)
    const out = services.session.logOut()
    ;(await server.next()).fail()
    expect(await out).toMatch(/cannot be reached/)
    expect(services.session.loggedIn.value).toBe(true)
  })

  it('ends with any answer that says so', async () => {
    const done = services.session.restore()
    ;(await server.next()).answer({ role: 'ROLE_AGENT' })
    await done
    const channels = services.channels.load()
    ;(await server.next()).answer({}, 401)
    await channels
    expect(services.session.loggedIn.value).toBe(false)
  })
})

describe('live', () => {
  it('asks for the lists again when a stream opens that cannot resume', async () => {
    let resyncs = 0
    services.live.listen({ resync: () => (resyncs += 1) })
    const source = openStream()
    expect(source.path).toBe('/v1/live')
    expect(resyncs).toBe(1)
    // Nothing came before the break: the browser has no id to resume from.
    source.interrupt()
    expect(services.live.state.value).toBe('connecting')
    source.open()
    expect(resyncs).toBe(2)
    // Something came: it has one.
    source.emit('message', message())
    source.interrupt()
    source.open()
    expect(resyncs).toBe(2)
    source.emit('reset', { after: '9' })
    expect(resyncs).toBe(3)
  })

  it('opens a new stream when the browser gave up', async () => {
    const source = openStream()
    source.giveUp()
    expect(services.live.state.value).toBe('waiting')
    ;(await server.next()).answer({}, 503)
    await settled()
    waits[0]?.()
    expect(sources).toHaveLength(2)
    expect(services.live.state.value).toBe('connecting')
  })

  it('resumes a new stream where the last one ended, but not for somebody else', async () => {
    const source = openStream()
    let resyncs = 0
    services.live.listen({ resync: () => (resyncs += 1) })
    source.emit('message', message(), '41')
    source.emit('message', message(), '42')
    source.giveUp()
    ;(await server.next()).answer({}, 503)
    await settled()
    waits[0]?.()
    expect(sources[1]?.path).toBe('/v1/live?after=42')
    sources[1]?.open()
    expect(resyncs).toBe(0)
    services.live.stop()
    services.live.start()
    expect(sources[2]?.path).toBe('/v1/live')
  })

  it('waits no longer when told that the network is back', async () => {
    openStream().giveUp()
    ;(await server.next()).fail()
    await settled()
    services.live.hurry()
    expect(sources).toHaveLength(2)
    services.live.hurry()
    expect(sources).toHaveLength(2)
  })

  it('ends with the session', async () => {
    openStream().giveUp()
    ;(await server.next()).answer({}, 401)
    await settled()
    expect(services.live.state.value).toBe('idle')
    expect(waits).toHaveLength(0)
  })

  it('ignores a stream that it has left', () => {
    const source = openStream()
    let heard = 0
    services.live.listen({ message: () => (heard += 1) })
    services.live.stop()
    source.emit('message', message())
    source.giveUp()
    expect(heard).toBe(0)
    expect(services.live.state.value).toBe('idle')
  })
})

describe('useConversations', () => {
  const a = conversation({ id: 'a', updateTime: '2026-11-21T10:00:00Z' })
  const b = conversation({ id: 'b', updateTime: '2026-11-21T09:00:00Z' })
  const c = conversation({ id: 'c', updateTime: '2026-11-21T08:00:00Z' })

  it('pages by token, and lets a live event win over a page', async () => {
    const inbox = run(() => useConversations(services))
    const first = inbox.load()
    expect(inbox.state.value).toBe('loading')
    const request = await server.next()
    expect(request.route).toBe('GET /v1/conversations?pageSize=50')
    request.answer(list([a, b], 'next'))
    await first
    expect(ids(inbox.conversations.value)).toEqual(['a', 'b'])
    expect(inbox.hasMore.value).toBe(true)

    const source = openStream()
    const resync = await server.next()
    resync.answer(list([a, b], 'next'))
    await settled()

    const more = inbox.loadMore()
    const second = await server.next()
    expect(second.route).toContain('pageToken=next')
    // While the page is on its way, c is written in.
    const newer = { ...c, updateTime: '2026-11-21T11:00:00Z', unreadCount: '1' }
    source.emit('conversation', newer)
    second.answer(list([c]))
    await more
    expect(ids(inbox.conversations.value)).toEqual(['c', 'a', 'b'])
    expect(inbox.unread.value).toBe(1)
    expect(inbox.hasMore.value).toBe(false)
  })

  it('keeps what came live while the first page was on its way', async () => {
    const inbox = run(() => useConversations(services))
    const source = openStream()
    const request = await server.next()
    source.emit('conversation', { ...a, unreadCount: '2' })
    request.answer(list([a]))
    await settled()
    expect(inbox.conversations.value[0]?.unreadCount).toBe('2')
  })

  it('shows why there is no list, and recovers', async () => {
    const inbox = run(() => useConversations(services))
    const load = inbox.load()
    ;(await server.next()).answer({}, 503)
    await load
    expect(inbox.state.value).toBe('error')
    const again = inbox.load()
    ;(await server.next()).answer(list([a]))
    await again
    expect(inbox.state.value).toBe('done')
    // A failure later leaves what is shown.
    const later = inbox.load()
    ;(await server.next()).fail()
    await later
    expect(inbox.state.value).toBe('done')
    expect(ids(inbox.conversations.value)).toEqual(['a'])
  })
})

describe('useConversation', () => {
  it('takes over, and follows the live stream', async () => {
    const one = run(() => useConversation('c1', services))
    ;(await server.next()).answer(conversation())
    await settled()
    const taking = one.takeOver()
    expect(one.busy.value).toBe(true)
    const request = await server.next()
    expect(request.route).toBe('POST /v1/conversations/c1:takeOver')
    request.answer(conversation({ aiState: 'AI_STATE_TAKEN_OVER' }))
    await taking
    expect(one.busy.value).toBe(false)
    expect(one.conversation.value?.aiState).toBe('AI_STATE_TAKEN_OVER')

    openStream().emit('conversation', conversation({ id: 'other', aiState: 'AI_STATE_OFF' }))
    expect(one.conversation.value?.aiState).toBe('AI_STATE_TAKEN_OVER')
  })

  it('switches the AI with a mask', async () => {
    const one = run(() => useConversation('c1', services))
    ;(await server.next()).answer(conversation())
    await settled()
    void one.setAiEnabled(false)
    const request = await server.next()
    expect(request.route).toBe('PATCH /v1/conversations/c1?updateMask=aiEnabled')
    expect(request.body).toEqual({ aiEnabled: false })
  })

  it('marks as read only what is unread, once at a time', async () => {
    const one = run(() => useConversation('c1', services))
    ;(await server.next()).answer(conversation({ unreadCount: '2' }))
    await settled()
    const reading = one.markRead('7')
    void one.markRead('7')
    const request = await server.next()
    expect(request.route).toBe('POST /v1/conversations/c1:read')
    expect(request.body).toEqual({ seq: '7' })
    request.answer(conversation({ unreadCount: '0' }))
    await reading
    void one.markRead('7')
    expect(server.requests).toHaveLength(2)
  })

  it('knows a conversation that does not exist', async () => {
    const one = run(() => useConversation('c1', services))
    ;(await server.next()).answer({}, 404)
    await settled()
    expect(one.state.value).toBe('error')
    expect(one.notFound.value).toBe(true)
  })
})

describe('useMessages', () => {
  const stored = (seq: number) => inbound({ id: `m${seq}`, seq: String(seq) })

  it('shows the oldest first and loads older ones above', async () => {
    const timeline = run(() => useMessages('c1', services))
    const first = await server.next()
    expect(first.route).toBe('GET /v1/conversations/c1/messages?pageSize=50')
    first.answer(page([stored(4), stored(3)], 'older'))
    await settled()
    expect(ids(timeline.messages.value)).toEqual(['m3', 'm4'])
    const older = timeline.loadOlder()
    // Asked twice, it loads once.
    void timeline.loadOlder()
    ;(await server.next()).answer(page([stored(2), stored(1)]))
    await older
    expect(ids(timeline.messages.value)).toEqual(['m1', 'm2', 'm3', 'm4'])
    expect(timeline.hasOlder.value).toBe(false)
    expect(server.requests).toHaveLength(2)
  })

  it('forgets an answer for a conversation that was left', async () => {
    const open = ref('c1')
    const timeline = run(() => useMessages(open, services))
    const first = await server.next()
    open.value = 'c2'
    const second = await server.next()
    expect(second.route).toContain('/c2/')
    second.answer(page([inbound({ id: 'x', conversationId: 'c2' })]))
    await settled()
    first.answer(page([stored(1)]))
    await settled()
    expect(ids(timeline.messages.value)).toEqual(['x'])
  })

  it('adds live messages of this conversation, and moves states forward', async () => {
    const timeline = run(() => useMessages('c1', services))
    ;(await server.next()).answer(page([]))
    await settled()
    const source = openStream()
    ;(await server.next()).answer(page([]))
    await settled()
    source.emit('message', message({ id: 'a', status: 'STATUS_SENT' }))
    source.emit('message', message({ id: 'b', conversationId: 'c2' }))
    source.emit('message', message({ id: 'a', status: 'STATUS_DELIVERED' }))
    source.emit('message', message({ id: 'a', status: 'STATUS_SENT' }))
    expect(ids(timeline.messages.value)).toEqual(['a'])
    expect(timeline.messages.value[0]?.status).toBe('STATUS_DELIVERED')
  })
})

describe('outbox', () => {
  const open = async () => {
    const timeline = run(() => useMessages('c1', services))
    ;(await server.next()).answer(page([]))
    await settled()
    return timeline
  }

  it('shows a message at once, and then as the server has it', async () => {
    const timeline = await open()
    const sending = services.outbox.write(conversation(), 'agent', 'Hello')
    expect(timeline.messages.value[0]).toMatchObject({ body: 'Hello', local: { state: 'sending' } })
    const request = await server.next()
    expect(request.route).toBe('POST /v1/messages')
    expect(request.body).toMatchObject({ conversationId: 'c1', body: 'Hello' })
    request.answer(message({ id: request.body.messageId as string, seq: '5' }))
    await sending
    expect(timeline.messages.value).toHaveLength(1)
    expect(timeline.messages.value[0]?.local).toBeUndefined()
    expect(services.outbox.of('c1')).toEqual([])
  })

  it('says when a message is to go out, and that it is not to', async () => {
    await open()
    const sendTime = '2026-12-24T17:00:00.000Z'
    const sending = services.outbox.write(conversation(), 'agent', 'Merry', sendTime)
    const request = await server.next()
    expect(request.body).toMatchObject({ body: 'Merry', sendTime })
    request.answer(message({ id: 'm7', status: 'STATUS_SCHEDULED', sendTime }))
    await sending

    const { busy, problem, cancel } = run(() => useCancel(() => 'm7', services))
    const first = cancel()
    void cancel() // One is enough.
    const canceling = await server.next()
    expect(canceling.route).toBe('POST /v1/messages/m7:cancel')
    expect(busy.value).toBe(true)
    canceling.answer({ error: { message: 'it is sent already', details: [] } }, 400)
    await first
    expect(problem.value).toBe('It is sent already.')
    expect(busy.value).toBe(false)
  })

  it('tries again with the same id', async () => {
    const timeline = await open()
    const sending = services.outbox.write(conversation(), 'agent', 'Hello')
    const first = await server.next()
    first.fail()
    await sending
    const failed = timeline.messages.value[0]
    expect(failed?.local).toMatchObject({ state: 'failed', retryable: true })
    const again = services.outbox.retry(failed?.id ?? '')
    const second = await server.next()
    expect(second.body.messageId).toBe(first.body.messageId)
    second.answer(message({ id: failed?.id ?? '', seq: '5' }))
    await again
    expect(timeline.messages.value.map((one) => one.local)).toEqual([undefined])
  })

  it('keeps a failed message while one looks elsewhere', async () => {
    await open()
    const sending = services.outbox.write(conversation(), 'agent', 'Hello')
    ;(await server.next()).answer(
      { error: { message: 'no', details: [{ reason: 'OPTED_OUT' }] } },
      400,
    )
    await sending
    scope.stop()
    scope = effectScope()
    const timeline = await open()
    expect(timeline.messages.value[0]?.local).toMatchObject({
      retryable: false,
      problem: expect.stringMatching(/opted out/),
    })
    services.outbox.discard(timeline.messages.value[0]?.id ?? '')
    expect(timeline.messages.value).toEqual([])
  })

  it('empties itself also while nobody looks', async () => {
    await open()
    const sending = services.outbox.write(conversation(), 'agent', 'Hello')
    scope.stop()
    const request = await server.next()
    request.answer(message({ id: request.body.messageId as string }))
    await sending
    expect(services.outbox.of('c1')).toEqual([])
  })

  it('believes the live stream when the answer was lost', async () => {
    const timeline = await open()
    const source = openStream()
    ;(await server.next()).answer(page([]))
    await settled()
    const sending = services.outbox.write(conversation(), 'agent', 'Hello')
    const request = await server.next()
    source.emit('message', message({ id: request.body.messageId as string, seq: '5' }))
    request.fail()
    await sending
    expect(timeline.messages.value).toHaveLength(1)
    expect(timeline.messages.value[0]?.local).toBeUndefined()
    expect(services.outbox.of('c1')).toEqual([])
  })

  it('plays the customer of the conversation', async () => {
    await open()
    void services.outbox.write(conversation(), 'customer', 'Hi')
    const request = await server.next()
    expect(request.route).toBe('POST /v1/messages:simulateInbound')
    expect(request.body).toMatchObject({
      channelId: 'ch1',
      from: '+15005551234',
      medium: 'MEDIUM_SMS',
      body: 'Hi',
    })
  })
})
