import { afterEach, beforeEach, expect, it } from 'vitest'
import { effectScope, type EffectScope } from 'vue'
import { createServices, type Services } from '@/composables/useServices'
import { useHistory } from '@/composables/useHistory'
import { useResolve, useUnconfirmed } from '@/composables/useUnconfirmed'
import { FakeServer, FakeSource, message, settled } from '../fakes'

let server: FakeServer
let services: Services
let source: FakeSource
let scope: EffectScope

beforeEach(() => {
  server = new FakeServer()
  services = createServices({
    fetch: server.fetch,
    openSource: (path) => (source = new FakeSource(path)),
    wait: () => () => undefined,
  })
  services.live.start()
  source.open()
  scope = effectScope()
})
afterEach(() => scope.stop())

function run<T>(use: () => T): T {
  const result = scope.run(use)
  if (!result) throw new Error('the scope has ended')
  return result
}
const lost = (id: string) => message({ id, status: 'STATUS_UNCONFIRMED' })

it('follows what becomes unconfirmed and what is decided', async () => {
  const unconfirmed = run(() => useUnconfirmed(services))
  const loading = unconfirmed.load()
  const request = await server.next()
  expect(request.route).toBe('GET /v1/unconfirmedMessages?pageSize=50')
  request.answer({ messages: [lost('m1')], totalCount: 70 })
  await loading
  expect(unconfirmed.total.value).toBe(70)

  source.emit('message', lost('m2'), '2')
  expect(unconfirmed.messages.value.map(({ id }) => id)).toEqual(['m2', 'm1'])
  expect(unconfirmed.total.value).toBe(71)
  source.emit('message', lost('m2'), '3') // Something more was found: still one message.
  expect(unconfirmed.total.value).toBe(71)
  source.emit('message', message({ id: 'm2', status: 'STATUS_DELIVERED' }), '4')
  source.emit('message', message({ id: 'm9', status: 'STATUS_DELIVERED' }), '5')
  expect(unconfirmed.messages.value.map(({ id }) => id)).toEqual(['m1'])
  expect(unconfirmed.total.value).toBe(70)
})

it('asks once however often it is clicked, and says why it was refused', async () => {
  const { busy, problem, resolve } = run(() => useResolve(() => 'm1', services))
  const first = resolve('RESOLUTION_SEND_AGAIN')
  void resolve('RESOLUTION_SEND_AGAIN')
  const request = await server.next()
  expect(request.route).toBe('POST /v1/messages/m1:resolve')
  expect(request.body).toEqual({ resolution: 'RESOLUTION_SEND_AGAIN' })
  expect(busy.value).toBe(true)
  request.answer(
    { error: { status: 'FAILED_PRECONDITION', message: 'It is sent by now.', details: [] } },
    400,
  )
  await first
  await settled()
  expect(server.requests).toHaveLength(1)
  expect(problem.value).not.toBe('')
  expect(busy.value).toBe(false)
})

it('reads the history when somebody asks', async () => {
  const history = run(() => useHistory(() => 'm1', services))
  expect(server.requests).toHaveLength(0)
  const loading = history.load()
  const request = await server.next()
  expect(request.route).toBe('GET /v1/messages/m1/history?pageSize=200')
  request.answer({ changes: [{ status: 'STATUS_SENT' }] })
  await loading
  expect(history.changes.value).toHaveLength(1)
})
