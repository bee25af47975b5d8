// What tests are made of: messages with only what matters set, a server that answers as told, and
// a stream that speaks when told.
import type { Fetch } from '@/api/client'
import type { Conversation, Message } from '@/api/types'
import type { Source } from '@/composables/live'

export function message(fields: Partial<Message> = {}): Message {
  return {
    id: 'm1',
    conversationId: 'c1',
    channelId: 'ch1',
    seq: '1',
    direction: 'DIRECTION_OUTBOUND',
    author: 'AUTHOR_AGENT',
    kind: 'KIND_TEXT',
    medium: 'MEDIUM_SMS',
    body: 'Hello',
    media: [],
    status: 'STATUS_QUEUED',
    errorCode: 0,
    errorMessage: '',
    simulated: false,
    from: '',
    to: '',
    messageSid: '',
    callSid: '',
    late: false,
    segments: 0,
    ...fields,
  }
}

export function inbound(fields: Partial<Message> = {}): Message {
  return message({
    direction: 'DIRECTION_INBOUND',
    author: 'AUTHOR_CUSTOMER',
    status: 'STATUS_RECEIVED',
    ...fields,
  })
}

export function conversation(fields: Partial<Conversation> = {}): Conversation {
  return {
    id: 'c1',
    channelId: 'ch1',
    contactId: '',
    title: 'Mia',
    customerNumber: '+15005551234',
    medium: 'MEDIUM_SMS',
    messageCount: '0',
    unreadCount: '0',
    aiState: 'AI_STATE_READY',
    optedOut: false,
    aiError: '',
    ...fields,
  }
}

export interface Request {
  route: string
  body: Record<string, unknown>
  answer: (body: object, code?: number) => void
  // No answer comes.
  fail: () => void
}

// Requests wait here until a test answers them.
export class FakeServer {
  readonly requests: Request[] = []
  private waiting: ((request: Request) => void)[] = []
  private taken = 0

  readonly fetch: Fetch = (path, init) =>
    new Promise((resolve, reject) => {
      const request: Request = {
        route: `${init.method} ${path}`,
        body: init.body ? JSON.parse(init.body as string) : {},
        answer: (body, code = 200) => resolve(new Response(JSON.stringify(body), { status: code })),
        fail: () => reject(new TypeError('network')),
      }
      this.requests.push(request)
      const next = this.waiting.shift()
      if (next) {
        this.taken += 1
        next(request)
      }
    })

  // The next request that no test has taken yet.
  next(): Promise<Request> {
    const request = this.requests[this.taken]
    if (request) {
      this.taken += 1
      return Promise.resolve(request)
    }
    return new Promise((resolve) => this.waiting.push(resolve))
  }
}

export class FakeSource implements Source {
  readyState = 0
  onopen: (() => void) | null = null
  onerror: (() => void) | null = null
  private listeners = new Map<string, (event: { data: string }) => void>()

  constructor(readonly path: string) {}

  addEventListener(name: string, listener: (event: { data: string }) => void): void {
    this.listeners.set(name, listener)
  }
  close(): void {
    this.readyState = 2
  }

  open(): void {
    this.readyState = 1
    this.onopen?.()
  }
  emit(name: 'message' | 'conversation' | 'reset', value: object, number = '1'): void {
    this.listeners.get(name)?.({ data: JSON.stringify({ number, [name]: value }) })
  }
  // The browser tries again by itself, …
  interrupt(): void {
    this.readyState = 0
    this.onerror?.()
  }
  // … or has given up.
  giveUp(): void {
    this.readyState = 2
    this.onerror?.()
  }
}

// Lets everything that is already decided happen.
export function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve))
}
