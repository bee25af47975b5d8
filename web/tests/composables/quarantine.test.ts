import { beforeEach, expect, it } from 'vitest'
import { createClient, type Client } from '@/api/client'
import { useQuarantine } from '@/composables/useQuarantine'
import { FakeServer } from '../fakes'

let server: FakeServer
let api: Client

beforeEach(() => {
  server = new FakeServer()
  api = createClient({ fetch: server.fetch })
})

it('lists them and says whether there are more', async () => {
  const quarantine = useQuarantine({ api })
  const loading = quarantine.load()
  const request = await server.next()
  expect(request.route).toBe('GET /v1/quarantinedWebhooks?pageSize=50')
  request.answer({ quarantinedWebhooks: [{ id: 'w1' }], nextPageToken: 'more' })
  await loading
  expect(quarantine.webhooks.value.map(({ id }) => id)).toEqual(['w1'])
  expect(quarantine.hasMore.value).toBe(true)
})

it('releases page by page, adds up, and lists anew', async () => {
  const quarantine = useQuarantine({ api })
  const releasing = quarantine.release()
  void quarantine.release() // Clicked twice.
  const first = await server.next()
  expect(first.route).toBe('POST /v1/quarantinedWebhooks:release')
  expect(first.body).toEqual({ webhookIds: [], pageToken: '' })
  first.answer({ releasedCount: 500, keptCount: 0, nextPageToken: 'next' })
  const second = await server.next()
  expect(second.body).toEqual({ webhookIds: [], pageToken: 'next' })
  second.answer({ releasedCount: 1, keptCount: 2, nextPageToken: '' })
  const list = await server.next()
  list.answer({ quarantinedWebhooks: [] })
  await releasing
  expect(server.requests).toHaveLength(3)
  expect(quarantine.released.value).toEqual({ released: 501, kept: 2 })
  expect(quarantine.busy.value).toBe(false)
})

it('says why nothing could be released', async () => {
  const quarantine = useQuarantine({ api })
  const releasing = quarantine.release(['w1'])
  const request = await server.next()
  expect(request.body).toEqual({ webhookIds: ['w1'], pageToken: '' })
  request.answer({ error: { status: 'PERMISSION_DENIED', message: 'No.', details: [] } }, 403)
  await releasing
  expect(quarantine.problem.value).toBe('Your role does not allow this.')
  expect(quarantine.released.value).toBeUndefined()
})
