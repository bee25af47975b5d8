// A stand-in for Parley's gateway, in memory: the routes that the page uses, and the live stream.
// `npm run mock` serves the built page beside it; tests start it on a free port.
// Controls for tests: POST /mock/inbound {from, message: {body, …}}, POST /mock/fail
// {path, times, code}, POST /mock/drop (ends all live streams), POST /mock/mute
// (no event is written from now on), POST /mock/counts.
import { createServer } from 'node:http'
import { readFile } from 'node:fs/promises'
import { extname, join, normalize, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { randomUUID } from 'node:crypto'

const DIST = fileURLToPath(new URL('../dist', import.meta.url))
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}
export const EMAIL = 'owner@example.com'
export const PASSWORD = 'correct horse'

const PICTURE =
  '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="220">' +
  '<rect width="320" height="220" fill="#c8dfd6"/>' +
  '<circle cx="160" cy="110" r="60" fill="#e39a5c"/>' +
  '<rect x="130" y="155" width="60" height="30" rx="6" fill="#8a5a3c"/></svg>'

const CHANNEL = {
  id: randomUUID(),
  displayName: 'Front desk',
  phoneNumber: '+15005550006',
  whatsappNumber: '',
  media: ['MEDIUM_SMS', 'MEDIUM_WHATSAPP', 'MEDIUM_VOICE'],
  accountSid: '',
  state: 'STATE_ACTIVE',
}

export async function startMock({ port = 0, seeded = true, stepMs = 700 } = {}) {
  const conversations = new Map()
  const messages = new Map()
  const events = []
  const streams = new Set()
  const sessions = new Set()
  const failures = []
  const timers = new Set()
  let muted = false

  const later = (ms, then) => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      then()
    }, ms)
    timers.add(timer)
  }

  function publish(name, value) {
    const number = String(events.length + 1)
    const data = { number, time: new Date().toISOString(), [name]: value }
    events.push({ name, data })
    if (muted) return
    for (const stream of streams) write(stream, events.at(-1))
  }
  const write = (stream, { name, data }) =>
    stream.write(`id: ${data.number}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`)

  function view(conversation) {
    const all = messages.get(conversation.id)
    return {
      ...conversation,
      messageCount: String(all.length),
      unreadCount: String(
        all.filter(
          (m) => m.direction === 'DIRECTION_INBOUND' && Number(m.seq) > conversation.readSeq,
        ).length,
      ),
      lastMessage: all.at(-1),
    }
  }

  function conversationOf(from, medium, title) {
    for (const one of conversations.values()) {
      if (one.customerNumber === from && one.medium === medium) return one
    }
    const conversation = {
      id: randomUUID(),
      channelId: CHANNEL.id,
      contactId: '',
      title: title ?? from,
      customerNumber: from,
      medium,
      aiState: 'AI_STATE_READY',
      optedOut: false,
      aiError: '',
      readSeq: 0,
      createTime: new Date().toISOString(),
      updateTime: new Date().toISOString(),
    }
    conversations.set(conversation.id, conversation)
    messages.set(conversation.id, [])
    return conversation
  }

  function append(conversation, fields, { at = Date.now(), quiet = false } = {}) {
    const all = messages.get(conversation.id)
    const outbound = fields.author !== 'AUTHOR_CUSTOMER'
    const message = {
      id: randomUUID(),
      conversationId: conversation.id,
      channelId: conversation.channelId,
      seq: String(all.length + 1),
      direction: outbound ? 'DIRECTION_OUTBOUND' : 'DIRECTION_INBOUND',
      kind: fields.media?.length ? 'KIND_MMS' : 'KIND_TEXT',
      medium: conversation.medium,
      body: '',
      media: [],
      status: outbound ? 'STATUS_QUEUED' : 'STATUS_RECEIVED',
      statusTime: new Date(at).toISOString(),
      errorCode: 0,
      errorMessage: '',
      simulated: false,
      from: outbound ? CHANNEL.phoneNumber : conversation.customerNumber,
      to: outbound ? conversation.customerNumber : CHANNEL.phoneNumber,
      messageSid: '',
      callSid: '',
      createTime: new Date(at).toISOString(),
      late: false,
      segments: 0,
      ...fields,
    }
    all.push(message)
    conversation.updateTime = message.createTime
    if (!quiet) {
      publish('message', message)
      publish('conversation', view(conversation))
    }
    return message
  }

  function advance(conversation, message, statuses) {
    const [status, ...rest] = statuses
    if (!status) return
    later(stepMs, () => {
      message.status = status
      message.statusTime = new Date().toISOString()
      publish('message', { ...message })
      advance(conversation, message, rest)
    })
  }

  function setAi(conversation, state) {
    conversation.aiState = state
    publish('conversation', view(conversation))
  }

  function answerByAi(conversation, text) {
    if (conversation.aiState !== 'AI_STATE_READY') return
    setAi(conversation, 'AI_STATE_PENDING')
    later(stepMs * 2, () => {
      if (conversation.aiState !== 'AI_STATE_PENDING') return
      conversation.aiState = 'AI_STATE_READY'
      const simulated = !conversation.customerNumber
      const reply = append(conversation, {
        author: 'AUTHOR_AI',
        body: `Thanks for your message! You wrote: “${text}”. We are open from 9:00 to 18:00.`,
        simulated,
        ...(simulated && { status: 'STATUS_SENT' }),
      })
      if (!simulated) advance(conversation, reply, DELIVERED)
    })
  }
  const DELIVERED = ['STATUS_SENDING', 'STATUS_SENT', 'STATUS_DELIVERED']

  if (seeded) seed({ conversationOf, append })

  const fail = (response, code, status, reason, message) =>
    json(response, code, {
      error: { code, status, message, details: [{ reason, domain: 'parley' }] },
    })
  function json(response, code, body, headers = {}) {
    response.writeHead(code, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify(body))
  }
  const page = (all, url) => {
    const size = Number(url.searchParams.get('pageSize')) || 50
    const from = Number(url.searchParams.get('pageToken')) || 0
    return {
      items: all.slice(from, from + size),
      nextPageToken: from + size < all.length ? String(from + size) : '',
    }
  }
  const session = () => ({
    user: { id: 'u1', email: EMAIL, displayName: 'Robin Vale' },
    organization: { id: 'o1', displayName: 'Harbour Bakery' },
    role: 'ROLE_OWNER',
  })

  async function serve(request, response) {
    const url = new URL(request.url, 'http://mock')
    const path = url.pathname
    let text = ''
    for await (const chunk of request) text += chunk
    const body = text ? JSON.parse(text) : {}
    const route = `${request.method} ${path}`

    if (path.startsWith('/mock/')) return control(path, body, response)
    const failing = failures.find((one) => path.startsWith(one.path) && one.times > 0)
    if (failing) {
      failing.times -= 1
      if (failing.code === 0) return request.socket.destroy()
      return fail(response, failing.code, failing.status ?? '', failing.reason ?? '', '')
    }
    if (!path.startsWith('/v1/')) return file(path, response)
    if (route === 'POST /v1/sessions') {
      if (body.email !== EMAIL || body.password !== PASSWORD) {
        return fail(response, 401, 'UNAUTHENTICATED', 'WRONG_CREDENTIALS', 'wrong')
      }
      const token = randomUUID()
      sessions.add(token)
      return json(
        response,
        200,
        { session: session(), token },
        { 'set-cookie': `parley_session=${token}; HttpOnly; SameSite=Lax; Path=/` },
      )
    }
    const token = /parley_session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1]
    if (!sessions.has(token)) {
      return fail(response, 401, 'UNAUTHENTICATED', 'UNAUTHENTICATED', 'log in first')
    }
    if (route === 'GET /v1/live') return live(request, response)
    if (route === 'GET /v1/sessions/current') return json(response, 200, session())
    if (route === 'DELETE /v1/sessions/current') {
      sessions.delete(token)
      return json(response, 200, {}, { 'set-cookie': 'parley_session=; Max-Age=0; Path=/' })
    }
    if (route === 'GET /v1/channels') return json(response, 200, { channels: [CHANNEL] })
    if (route === 'GET /v1/conversations') {
      const all = [...conversations.values()].sort((a, b) => (a.updateTime < b.updateTime ? 1 : -1))
      const { items, nextPageToken } = page(all, url)
      return json(response, 200, { conversations: items.map(view), nextPageToken })
    }
    if (route === 'GET /v1/unconfirmedMessages') {
      const all = [...messages.values()].flat().filter((m) => m.status === 'STATUS_UNCONFIRMED')
      return json(response, 200, { messages: all, nextPageToken: '', totalCount: all.length })
    }
    const of = /^\/v1\/messages\/([^/:]+)(\/history|:resolve)$/.exec(path)
    if (of) {
      const message = known(of[1])
      if (!message) return fail(response, 404, 'NOT_FOUND', 'MESSAGE_NOT_FOUND', 'no such message')
      if (of[2] === '/history') return json(response, 200, { changes: historyOf(message) })
      return resolve(message, body, response)
    }
    if (route === 'POST /v1/messages') return send(body, response)
    if (route === 'POST /v1/messages:simulateInbound') return simulate(body, response)
    const match = /^\/v1\/conversations\/([^/:]+)(\/messages|:\w+)?$/.exec(path)
    const conversation = match && conversations.get(match[1])
    if (!conversation) {
      return fail(response, 404, 'NOT_FOUND', 'CONVERSATION_NOT_FOUND', 'no such conversation')
    }
    switch (match[2]) {
      case '/messages': {
        const { items, nextPageToken } = page([...messages.get(conversation.id)].reverse(), url)
        return json(response, 200, { messages: items, nextPageToken })
      }
      case ':read':
        conversation.readSeq = Math.max(conversation.readSeq, Number(body.seq))
        publish('conversation', view(conversation))
        break
      case ':takeOver':
        setAi(conversation, 'AI_STATE_TAKEN_OVER')
        break
      case ':handBack':
        setAi(conversation, 'AI_STATE_READY')
        break
      default:
        if (request.method === 'PATCH') {
          conversation.aiEnabled = body.aiEnabled
          setAi(conversation, body.aiEnabled ? 'AI_STATE_READY' : 'AI_STATE_OFF')
        }
    }
    json(response, 200, view(conversation))
  }

  function known(id) {
    for (const all of messages.values()) {
      const message = all.find((one) => one.id === id)
      if (message) return message
    }
    return undefined
  }

  function historyOf(message) {
    const at = (seconds) => new Date(Date.parse(message.createTime) + seconds * 1000).toISOString()
    const change = { actor: '', attempt: 1, messageSid: '', errorCode: 0, reason: '', message: '' }
    const sender = { ...change, source: 'SOURCE_SENDER' }
    const lost = "Twilio's answer was lost; the message may have been sent."
    return [
      { ...sender, status: 'STATUS_SENDING', time: at(1) },
      message.errorMessage
        ? { ...sender, status: message.status, time: at(2), message: message.errorMessage }
        : { ...sender, status: 'STATUS_SENT', time: at(2) },
      ...(message.decided
        ? [
            { ...sender, status: 'STATUS_UNCONFIRMED', time: at(11), message: lost },
            {
              ...change,
              source: 'SOURCE_PERSON',
              actor: 'Robin Vale',
              status: 'STATUS_QUEUED',
              reason: 'SENT_AGAIN',
              time: at(900),
            },
          ]
        : []),
    ]
  }

  function resolve(message, { resolution }, response) {
    if (message.status !== 'STATUS_UNCONFIRMED') {
      return fail(response, 400, 'FAILED_PRECONDITION', 'NOT_UNCONFIRMED', 'decided')
    }
    const again = resolution === 'RESOLUTION_SEND_AGAIN'
    delete message.unconfirmed
    Object.assign(message, {
      decided: true,
      status: again ? 'STATUS_QUEUED' : 'STATUS_FAILED',
      statusTime: new Date().toISOString(),
      errorMessage: again ? '' : 'It was marked as failed: nobody knows whether Twilio sent it.',
    })
    publish('message', { ...message })
    if (again) advance(conversations.get(message.conversationId), message, DELIVERED)
    json(response, 200, { ...message })
  }

  function send(body, response) {
    const before = known(body.messageId)
    if (before) return json(response, 200, before)
    const conversation = conversations.get(body.conversationId)
    if (conversation.optedOut) {
      return fail(response, 400, 'FAILED_PRECONDITION', 'OPTED_OUT', 'opted out')
    }
    const simulated = !conversation.customerNumber
    const message = append(conversation, {
      id: body.messageId,
      author: 'AUTHOR_AGENT',
      body: body.body,
      simulated,
      ...(simulated && { status: 'STATUS_SENT' }),
    })
    if (/refuse/.test(body.body)) {
      later(stepMs, () => {
        message.status = 'STATUS_FAILED'
        message.errorCode = 21211
        message.errorMessage = 'This is not a valid phone number. Correct it and send again.'
        publish('message', { ...message })
      })
    } else if (!simulated) advance(conversation, message, DELIVERED)
    json(response, 200, { ...message })
  }

  function simulate(body, response) {
    const before = known(body.messageId)
    if (before) return json(response, 200, before)
    const conversation = conversationOf(body.from, body.medium || 'MEDIUM_SMS')
    const message = append(conversation, {
      id: body.messageId,
      author: 'AUTHOR_CUSTOMER',
      body: body.body,
      simulated: true,
      status: 'STATUS_SENT',
    })
    answerByAi(conversation, body.body)
    json(response, 200, message)
  }

  function live(request, response) {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    response.write(': hello\n\n')
    const { searchParams } = new URL(request.url, 'http://mock')
    const after = Number(request.headers['last-event-id'] ?? searchParams.get('after'))
    if (after) for (const event of events.slice(after)) write(response, event)
    streams.add(response)
    response.on('close', () => streams.delete(response))
  }

  function control(path, body, response) {
    if (path === '/mock/inbound') {
      const conversation = conversationOf(body.from, body.medium ?? 'MEDIUM_SMS', body.title)
      append(conversation, { author: 'AUTHOR_CUSTOMER', ...body.message })
      answerByAi(conversation, body.message.body)
    } else if (path === '/mock/fail') {
      failures.push(body)
    } else if (path === '/mock/mute') {
      muted = true
    } else if (path === '/mock/drop') {
      for (const stream of streams) stream.destroy()
    } else if (path === '/mock/picture.svg') {
      response.writeHead(200, { 'content-type': 'image/svg+xml' })
      return response.end(PICTURE)
    } else if (path === '/mock/counts') {
      const all = [...messages.values()].flat()
      return json(response, 200, { messages: all.length, streams: streams.size })
    }
    json(response, 200, {})
  }

  async function file(path, response) {
    const name = normalize(join(DIST, path === '/' ? 'index.html' : path))
    if (!name.startsWith(DIST + sep)) return fail(response, 404, 'NOT_FOUND', '', '')
    try {
      const content = await readFile(name)
      response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'text/plain' })
      response.end(content)
    } catch {
      fail(response, 404, 'NOT_FOUND', '', '')
    }
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error) => {
      if (!response.headersSent) fail(response, 500, 'INTERNAL', '', String(error))
    })
  })
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () =>
      new Promise((resolve) => {
        for (const timer of timers) clearTimeout(timer)
        for (const stream of streams) stream.destroy()
        server.close(resolve)
        server.closeAllConnections()
      }),
  }
}

// A bakery's morning, with one of everything that the page can show.
function seed({ conversationOf, append }) {
  const now = Date.now()
  const minutes = (count) => now - count * 60_000
  const say = (conversation, author, body, ago, fields = {}) =>
    append(conversation, { author, body, ...fields }, { at: minutes(ago), quiet: true })
  const done = { status: 'STATUS_DELIVERED', segments: 1 }

  for (let n = 0; n < 70; ++n) {
    const old = conversationOf(`+1555010${String(1000 + n)}`, 'MEDIUM_SMS')
    say(old, 'AUTHOR_CUSTOMER', `Is order ${4100 + n} ready?`, 60 * 24 * (3 + n))
    say(old, 'AUTHOR_AI', 'Yes, it is waiting for you.', 60 * 24 * (3 + n) - 1, done)
    old.readSeq = 1
  }

  const jo = conversationOf('+15550101199', 'MEDIUM_SMS', 'Jo Lindqvist')
  say(jo, 'AUTHOR_CUSTOMER', 'STOP', 60 * 26)
  Object.assign(jo, { optedOut: true, aiState: 'AI_STATE_OPTED_OUT', readSeq: 1 })

  const call = conversationOf('+15550101187', 'MEDIUM_VOICE')
  say(call, 'AUTHOR_CUSTOMER', 'Called for 42 seconds and heard the greeting.', 200, {
    kind: 'KIND_CALL',
  })
  call.aiState = 'AI_STATE_OFF'

  const sam = conversationOf('+15550101142', 'MEDIUM_SMS', 'Sam Okafor')
  say(sam, 'AUTHOR_CUSTOMER', 'Do you deliver to the harbour?', 95)
  say(sam, 'AUTHOR_AGENT', 'We do, until 17:00. What may we bring?', 90, {
    status: 'STATUS_UNDELIVERED',
    errorCode: 30003,
    errorMessage: 'The phone was switched off or out of reach. Try again later.',
  })
  say(sam, 'AUTHOR_AGENT', 'Shall we bring two walnut loaves at four?', 80, {
    status: 'STATUS_UNCONFIRMED',
    errorMessage: "Twilio's answer was lost; the message may have been sent.",
    unconfirmed: {
      verdict: 'VERDICT_PROBABLY_NOT_SENT',
      findings: [
        {
          text: "Twilio's list of messages does not show it; that list may lag behind. It was asked 4 times.",
          time: new Date(minutes(78)).toISOString(),
        },
        {
          text: "Twilio's list shows later messages from this number, but not this one. It was probably not sent.",
          time: new Date(minutes(62)).toISOString(),
        },
      ],
    },
  })
  Object.assign(sam, { readSeq: 1, aiState: 'AI_STATE_TAKEN_OVER' })

  const ana = conversationOf('+15550101164', 'MEDIUM_WHATSAPP', 'Ana Sofia Reis')
  ana.whatsappWindowTime = new Date(now + 23 * 3_600_000).toISOString()
  say(ana, 'AUTHOR_CUSTOMER', 'Olá! Can I change tomorrow’s order to two loaves?', 22)
  say(ana, 'AUTHOR_AI', 'Of course. Two loaves tomorrow, ready from 8:00.', 21, {
    status: 'STATUS_READ',
  })
  say(ana, 'AUTHOR_CUSTOMER', 'Perfect, thank you 🙏', 12)
  ana.readSeq = 1

  const mia = conversationOf('+15005551234', 'MEDIUM_SMS', 'Mia Castellanos')
  for (let n = 60; n > 0; --n) {
    say(mia, 'AUTHOR_CUSTOMER', `Older question number ${61 - n}`, 60 * 24 + n * 30)
    say(mia, 'AUTHOR_AI', `Older answer number ${61 - n}.`, 60 * 24 + n * 30 - 1, done)
  }
  say(mia, 'AUTHOR_CUSTOMER', 'Hi, do you still have the walnut bread?', 31)
  say(mia, 'AUTHOR_AI', 'Good morning! Yes, we have six walnut loaves left today.', 31, done)
  say(mia, 'AUTHOR_CUSTOMER', 'Great. This one, right?', 29, {
    media: [{ url: '/mock/picture.svg', contentType: 'image/svg+xml' }],
  })
  say(mia, 'AUTHOR_CUSTOMER', 'Could you keep two for me until four?', 29)
  say(mia, 'AUTHOR_AI', 'That is the one. I have asked a colleague to put two aside.', 28, done)
  say(
    mia,
    'AUTHOR_AGENT',
    'Two loaves are at the counter under your name. See you at four! ' +
      'Directions: https://bakery.example.com/find-us',
    24,
    done,
  )
  say(mia, 'AUTHOR_CUSTOMER', 'You are the best', 3)
  mia.readSeq = 124
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startMock({ port: Number(process.env.PORT ?? 8090) })
  process.stdout.write(`${url}  ${EMAIL}  ${PASSWORD}\n`)
}
