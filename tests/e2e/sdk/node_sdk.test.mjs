// Twilio's Node SDK, unmodified, against the simulator.
//
// PARLEY_TEST_TWILIO names a running simulator (with PARLEY_TEST_TWILIO_SID and _TOKEN); without
// it, PARLEY_TEST_SIMULATOR_BINARY is started on a free port.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import twilio from 'twilio'

const CUSTOMER = '+15005550123'
const WAIT_MS = 10_000
const owner = {
  sid: process.env.PARLEY_TEST_TWILIO_SID || 'AC' + '1'.repeat(32),
  token: process.env.PARLEY_TEST_TWILIO_TOKEN || '1'.repeat(32)
}
let baseUrl
let simulator

before(async () => {
  baseUrl = process.env.PARLEY_TEST_TWILIO?.replace(/\/$/, '')
  if (baseUrl) return
  const binary = process.env.PARLEY_TEST_SIMULATOR_BINARY
  assert.ok(binary, 'set PARLEY_TEST_TWILIO or PARLEY_TEST_SIMULATOR_BINARY')
  const flags = ['--port', '0', '--account-sid', owner.sid, '--auth-token', owner.token]
  simulator = spawn(binary, flags, { stdio: ['ignore', 'pipe', 'inherit'] })
  // It prints its address once it listens.
  const [line] = await once(createInterface({ input: simulator.stdout }), 'line')
  baseUrl = line.split(' ')[1]
})

after(async () => {
  if (!simulator) return
  simulator.kill('SIGTERM')
  await once(simulator, 'exit')
})

async function control(method, path, body) {
  const credentials = Buffer.from(`${owner.sid}:${owner.token}`).toString('base64')
  const answer = await fetch(`${baseUrl}/simulator/v1/${path}`, {
    method,
    headers: { authorization: `Basic ${credentials}` },
    body: body && JSON.stringify(body)
  })
  const text = await answer.text()
  assert.ok(answer.ok, text)
  return JSON.parse(text)
}

function clientOf(sid, token) {
  const client = twilio(sid, token)
  for (const product of ['api', 'messaging', 'content', 'lookups']) {
    client[product].baseUrl = baseUrl
  }
  return client
}

// A new account with two numbers, so that no test sees another's messages.
async function newAccount(fields = {}) {
  const number = () => `+1555${String(randomInt(10 ** 7)).padStart(7, '0')}`
  const numbers = [number(), number()]
  const made = await control('POST', 'accounts', {
    sid: 'AC' + randomBytes(16).toString('hex'),
    numbers,
    ...fields
  })
  return {
    sid: made.sid,
    token: made.auth_token,
    numbers,
    client: clientOf(made.sid, made.auth_token)
  }
}

async function waitUntil(condition) {
  const deadline = Date.now() + WAIT_MS
  while (Date.now() < deadline) {
    const result = await condition()
    if (result) return result
    await pause(20)
  }
  assert.fail('timed out')
}

function final({ client }, sid) {
  return waitUntil(async () => {
    const message = await client.messages(sid).fetch()
    return ['delivered', 'undelivered', 'failed'].includes(message.status) && message
  })
}

// Keeps what it is sent; answers with `answers[path]` in turn, else 204.
async function newReceiver(t) {
  const received = []
  const answers = {}
  const server = createServer(async (request, response) => {
    const parts = []
    for await (const part of request) parts.push(part)
    const body = Buffer.concat(parts).toString()
    received.push({
      url: request.url,
      params: Object.fromEntries(new URLSearchParams(body)),
      headers: request.headers
    })
    const [status, type, content] = answers[request.url.split('?')[0]]?.shift() ?? [204]
    response.writeHead(status, type ? { 'content-type': type } : {})
    response.end(content)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    received,
    answers,
    atLeast: (count) => waitUntil(() => received.length >= count && received)
  }
}

// Twilio's error code, or undefined if it worked.
async function codeOf(promise) {
  try {
    await promise
    return undefined
  } catch (error) {
    return error.code
  }
}

test('account fetch and wrong credentials', async () => {
  const account = await newAccount()
  const fetched = await account.client.api.v2010.accounts(account.sid).fetch()
  assert.equal(fetched.sid, account.sid)
  assert.equal(fetched.status, 'active')
  const wrong = clientOf(account.sid, 'wrong')
  await assert.rejects(wrong.api.v2010.accounts(account.sid).fetch(), { status: 401, code: 20003 })
})

test('a message is created, fetched, redacted and deleted', async () => {
  const account = await newAccount()
  const created = await account.client.messages.create({
    to: CUSTOMER,
    from: account.numbers[0],
    body: 'Grüße + 100 % & mehr'
  })
  assert.match(created.sid, /^SM[0-9a-f]{32}$/)
  assert.equal(created.status, 'queued')
  assert.equal(created.price, null)
  await assert.rejects(account.client.messages(created.sid).remove(), { status: 409, code: 20009 })
  const delivered = await final(account, created.sid)
  assert.equal(delivered.status, 'delivered')
  assert.equal(delivered.body, 'Grüße + 100 % & mehr')
  assert.ok(delivered.dateSent instanceof Date)
  assert.equal((await account.client.messages(created.sid).update({ body: '' })).body, '')
  assert.equal(await account.client.messages(created.sid).remove(), true)
  await assert.rejects(account.client.messages(created.sid).fetch(), { status: 404, code: 20404 })
})

test('lists page and filter', async () => {
  const account = await newAccount()
  const sids = []
  for (let i = 0; i < 7; ++i) {
    const to = i % 2 ? CUSTOMER : '+15005550124'
    const from = account.numbers[0]
    const sent = await account.client.messages.create({ to, from, body: `${i}` })
    sids.unshift(sent.sid)
  }
  const listed = await account.client.messages.list({ pageSize: 3 })
  assert.deepEqual(listed.map((message) => message.sid), sids)
  const first = await account.client.messages.page({ pageSize: 3 })
  const second = await first.nextPage()
  assert.deepEqual(second.instances.map((message) => message.body), ['3', '2', '1'])
  const back = await second.previousPage()
  assert.deepEqual(back.instances.map((message) => message.body), ['6', '5', '4'])
  assert.equal((await account.client.messages.list({ to: CUSTOMER })).length, 3)
  assert.equal((await account.client.messages.list({ from: account.numbers[1] })).length, 0)
  const minutes = (count) => new Date(Date.now() + count * 60_000)
  const count = async (filter) => (await account.client.messages.list(filter)).length
  assert.equal(await count({ dateSent: new Date() }), 7)
  assert.equal(await count({ dateSentAfter: minutes(-5) }), 7)
  assert.equal(await count({ dateSentAfter: minutes(5) }), 0)
  assert.equal(await count({ dateSentBefore: minutes(-5) }), 0)
  const seen = []
  await account.client.messages.each({ pageSize: 2, limit: 5 }, (message) => seen.push(message.sid))
  assert.deepEqual(seen, sids.slice(0, 5))
})

test('a scheduled message is canceled', async () => {
  const account = await newAccount()
  const [number] = await account.client.incomingPhoneNumbers.list()
  const services = account.client.messaging.v1.services
  const service = await services.create({ friendlyName: 'Parley' })
  await services(service.sid).phoneNumbers.create({ phoneNumberSid: number.sid })
  const scheduled = await account.client.messages.create({
    to: CUSTOMER,
    messagingServiceSid: service.sid,
    body: 'later',
    scheduleType: 'fixed',
    sendAt: new Date(Date.now() + 3_600_000)
  })
  assert.equal(scheduled.status, 'scheduled')
  assert.equal(scheduled.from, null)
  const canceled = await account.client.messages(scheduled.sid).update({ status: 'canceled' })
  assert.equal(canceled.status, 'canceled')
  const again = account.client.messages(scheduled.sid).update({ status: 'canceled' })
  await assert.rejects(again, { code: 30409 })
})

test('media are listed and their content is served', async (t) => {
  const account = await newAccount()
  const receiver = await newReceiver(t)
  const picture = randomBytes(5000)
  receiver.answers['/cat.png'] = [[200, 'image/png', picture]]
  const created = await account.client.messages.create({
    to: CUSTOMER,
    from: account.numbers[0],
    body: 'Look',
    mediaUrl: [`${receiver.url}/cat.png`]
  })
  assert.match(created.sid, /^MM/)
  await final(account, created.sid)
  const [medium] = await account.client.messages(created.sid).media.list()
  assert.equal(medium.contentType, 'image/png')
  const credentials = Buffer.from(`${account.sid}:${account.token}`).toString('base64')
  const content = await fetch(baseUrl + medium.uri.replace(/\.json$/, ''), {
    headers: { authorization: `Basic ${credentials}` }
  })
  assert.deepEqual(Buffer.from(await content.arrayBuffer()), picture)
  assert.equal(await account.client.messages(created.sid).media(medium.sid).remove(), true)
})

test('available and incoming phone numbers', async () => {
  const account = await newAccount()
  const offered = await account.client.availablePhoneNumbers('US').local.list({ limit: 2 })
  assert.equal(offered.length, 2)
  assert.equal(offered[0].capabilities.SMS, true)
  // The account may buy it only once, whoever else tests here.
  const bought = await account.client.incomingPhoneNumbers.create({
    phoneNumber: offered[1].phoneNumber,
    smsUrl: 'https://example.com/in#rc=5&rp=all'
  })
  assert.equal(bought.smsUrl, 'https://example.com/in#rc=5&rp=all')
  const twice = account.client.incomingPhoneNumbers.create({ phoneNumber: bought.phoneNumber })
  assert.equal(await codeOf(twice), 21422)
  assert.equal((await account.client.incomingPhoneNumbers.list()).length, 3)
  const found = await account.client.incomingPhoneNumbers.list({ phoneNumber: bought.phoneNumber })
  assert.deepEqual(found.map((number) => number.sid), [bought.sid])
  assert.equal(await account.client.incomingPhoneNumbers(bought.sid).remove(), true)
})

test('calls', async (t) => {
  const account = await newAccount()
  const receiver = await newReceiver(t)
  receiver.answers['/twiml'] = [[200, 'text/xml', '<Response><Hangup/></Response>']]
  const call = await account.client.calls.create({
    to: CUSTOMER,
    from: account.numbers[0],
    url: `${receiver.url}/twiml`
  })
  await waitUntil(async () => (await account.client.calls(call.sid).fetch()).status === 'completed')
  const listed = await account.client.calls.list({ to: CUSTOMER })
  assert.deepEqual(listed.map(({ sid }) => sid), [call.sid])
  assert.equal((await account.client.calls.list({ status: 'busy' })).length, 0)
})

test('content templates', async () => {
  const account = await newAccount()
  const made = await account.client.content.v1.contents.create({
    friendlyName: 'order',
    language: 'en',
    variables: { 1: 'nobody' },
    types: { 'twilio/text': { body: 'Hello {{1}}' } }
  })
  assert.match(made.sid, /^HX/)
  assert.equal((await account.client.content.v1.contents(made.sid).fetch()).language, 'en')
  assert.equal((await account.client.content.v1.contents.list()).length, 1)
  const sent = await account.client.messages.create({
    to: CUSTOMER,
    from: account.numbers[0],
    contentSid: made.sid,
    contentVariables: JSON.stringify({ 1: 'Ada' })
  })
  assert.equal(sent.body, 'Hello Ada')
  assert.equal(await account.client.content.v1.contents(made.sid).remove(), true)
})

test('test credentials know every magic number', async () => {
  const { client } = await newAccount({ type: 'Test', numbers: [] })
  const ok = '+15005550006'
  const messages = [
    ['+15005550001', ok, 'Hi', 21211],
    ['+15005550002', ok, 'Hi', 21612],
    ['+15005550003', ok, 'Hi', 21408],
    ['+15005550004', ok, 'Hi', 21610],
    ['+15005550009', ok, 'Hi', 21614],
    [CUSTOMER, '+15005550001', 'Hi', 21212],
    [CUSTOMER, '+15005550007', 'Hi', 21606],
    [CUSTOMER, '+15005550008', 'Hi', 21611],
    [CUSTOMER, '+15005550099', 'Hi', 21606],
    [CUSTOMER, ok, '', 21602],
    [CUSTOMER, ok, 'Hi', undefined]
  ]
  for (const [to, from, body, code] of messages) {
    const seen = await codeOf(client.messages.create({ to, from, body }))
    assert.equal(seen, code, `message to ${to} from ${from}`)
  }
  const numbers = [
    [{ phoneNumber: '+15005550000' }, 21422],
    [{ phoneNumber: '+15005550001' }, 21421],
    [{ phoneNumber: '+15005550005' }, 21421],
    [{ phoneNumber: ok }, undefined],
    [{ areaCode: '533' }, 21452],
    [{ areaCode: '501' }, 21452],
    [{ areaCode: '500' }, undefined]
  ]
  for (const [fields, code] of numbers) {
    const seen = await codeOf(client.incomingPhoneNumbers.create(fields))
    assert.equal(seen, code, JSON.stringify(fields))
  }
  const calls = [
    ['+15005550001', ok, 21217],
    ['+15005550002', ok, 21214],
    ['+15005550003', ok, 21215],
    ['+15005550004', ok, 21216],
    [CUSTOMER, '+15005550001', 21212],
    [CUSTOMER, '+15005550099', 21210],
    [CUSTOMER, ok, undefined]
  ]
  for (const [to, from, code] of calls) {
    const seen = await codeOf(client.calls.create({ to, from, url: 'https://example.com/' }))
    assert.equal(seen, code, `call to ${to} from ${from}`)
  }
  assert.equal(await codeOf(client.messages.list()), 20008)
})

test('the validator accepts status callbacks and inbound webhooks', async (t) => {
  const account = await newAccount()
  const receiver = await newReceiver(t)
  await account.client.messages.create({
    to: CUSTOMER,
    from: account.numbers[0],
    body: 'Hi',
    statusCallback: `${receiver.url}/status?message=1#rc=5&rp=all`
  })
  const [sent, delivered] = await receiver.atLeast(2)
  assert.equal(sent.params.MessageStatus, 'sent')
  assert.equal(delivered.params.MessageStatus, 'delivered')

  const [number] = await account.client.incomingPhoneNumbers.list({
    phoneNumber: account.numbers[0]
  })
  await account.client
    .incomingPhoneNumbers(number.sid)
    .update({ smsUrl: `${receiver.url}/sms?a=%20b` })
  const inbound = await control('POST', 'inbound', {
    from: CUSTOMER,
    to: account.numbers[0],
    body: 'Grüße & 😀'
  })
  assert.equal(inbound.webhook.delivered, true)
  const webhook = (await receiver.atLeast(3))[2]
  assert.equal(webhook.params.Body, 'Grüße & 😀')
  for (const { url, params, headers } of [sent, delivered, webhook]) {
    const signature = headers['x-twilio-signature']
    const valid = (token, to) => twilio.validateRequest(token, signature, receiver.url + to, params)
    assert.ok(valid(account.token, url))
    assert.ok(!valid('another token', url))
    assert.ok(!valid(account.token, '/elsewhere'))
  }
})
