// The one place that talks to the API. Same origin: the session travels in its cookie, which no
// script can read. Every failure is an ApiError.
import { ApiError, errorOf, unreachable } from './errors'
import type {
  Channel,
  Conversation,
  Message,
  MessageChange,
  Page,
  QuarantinedWebhook,
  Resolution,
  SendMessageRequest,
  Session,
  SimulateInboundMessageRequest,
  UnconfirmedList,
} from './types'

// An answer that takes longer is given up; a message's id makes asking again safe.
const TIMEOUT_MS = 15_000

export type Fetch = (path: string, init: RequestInit) => Promise<Response>

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

export interface ClientOptions {
  fetch?: Fetch
  // Called when the server no longer knows the session.
  onLoggedOut?: () => void
}

export function createClient(options: ClientOptions = {}) {
  const fetch: Fetch = options.fetch ?? ((path, init) => globalThis.fetch(path, init))

  async function call<Answer>(method: Method, path: string, body?: object): Promise<Answer> {
    const init: RequestInit = {
      method,
      credentials: 'same-origin',
      headers: { Accept: 'application/json' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }
    if (body) {
      init.headers = { ...init.headers, 'Content-Type': 'application/json' }
      init.body = JSON.stringify(body)
    }
    let response: Response
    let text: string
    try {
      response = await fetch(path, init)
      text = await response.text()
    } catch {
      throw unreachable()
    }
    const answer = parse(text)
    if (!response.ok) {
      if (response.status === 401) options.onLoggedOut?.()
      throw errorOf(response.status, answer)
    }
    if (typeof answer !== 'object' || answer === null) {
      throw new ApiError(response.status, 'INTERNAL', '', 'The answer was not JSON.')
    }
    return answer as Answer
  }

  const conversationPath = (id: string) => `/v1/conversations/${encodeURIComponent(id)}`

  return {
    logIn: (email: string, password: string) =>
      call<{ session: Session }>('POST', '/v1/sessions', { email, password }).then(
        // The token beside it is for programs; the cookie is ours.
        (answer) => answer.session,
      ),
    currentSession: () => call<Session>('GET', '/v1/sessions/current'),
    logOut: () => call<object>('DELETE', '/v1/sessions/current'),

    listChannels: () =>
      call<{ channels?: Channel[] }>('GET', '/v1/channels?pageSize=200').then(
        (answer) => answer.channels ?? [],
      ),

    // `fields` are the ones that change, also to nothing.
    updateChannel: (id: string, channel: Partial<Channel>, fields: readonly string[]) =>
      call<Channel>(
        'PATCH',
        `/v1/channels/${encodeURIComponent(id)}${query({ updateMask: fields.join(',') })}`,
        channel,
      ),

    // Newest first.
    listQuarantined: (pageToken = ''): Promise<Page<QuarantinedWebhook>> =>
      call<{ quarantinedWebhooks?: QuarantinedWebhook[]; nextPageToken?: string }>(
        'GET',
        `/v1/quarantinedWebhooks${query({ pageSize: 50, pageToken })}`,
      ).then((answer) => ({
        items: answer.quarantinedWebhooks ?? [],
        nextPageToken: answer.nextPageToken ?? '',
      })),
    releaseQuarantined: (webhookIds: readonly string[], pageToken: string) =>
      call<{ releasedCount: number; keptCount: number; nextPageToken: string }>(
        'POST',
        '/v1/quarantinedWebhooks:release',
        { webhookIds, pageToken },
      ),

    listConversations: (pageToken: string, pageSize = 50): Promise<Page<Conversation>> =>
      call<{ conversations?: Conversation[]; nextPageToken?: string }>(
        'GET',
        `/v1/conversations${query({ pageSize, pageToken })}`,
      ).then((answer) => ({
        items: answer.conversations ?? [],
        nextPageToken: answer.nextPageToken ?? '',
      })),
    getConversation: (id: string) => call<Conversation>('GET', conversationPath(id)),
    setAiEnabled: (id: string, aiEnabled: boolean) =>
      call<Conversation>('PATCH', `${conversationPath(id)}?updateMask=aiEnabled`, { aiEnabled }),
    readConversation: (id: string, seq: string) =>
      call<Conversation>('POST', `${conversationPath(id)}:read`, { seq }),
    takeOver: (id: string) => call<Conversation>('POST', `${conversationPath(id)}:takeOver`, {}),
    handBack: (id: string) => call<Conversation>('POST', `${conversationPath(id)}:handBack`, {}),

    // Newest first.
    listMessages: (id: string, pageToken: string, pageSize = 50): Promise<Page<Message>> =>
      call<{ messages?: Message[]; nextPageToken?: string }>(
        'GET',
        `${conversationPath(id)}/messages${query({ pageSize, pageToken })}`,
      ).then((answer) => ({
        items: answer.messages ?? [],
        nextPageToken: answer.nextPageToken ?? '',
      })),
    sendMessage: (request: SendMessageRequest) => call<Message>('POST', '/v1/messages', request),
    resolveMessage: (id: string, resolution: Resolution) =>
      call<Message>('POST', `/v1/messages/${encodeURIComponent(id)}:resolve`, { resolution }),
    cancelMessage: (id: string) =>
      call<{ message: Message }>('POST', `/v1/messages/${encodeURIComponent(id)}:cancel`, {}),
    // Oldest first; what a person wants to read of one message fits on a page.
    messageHistory: (id: string) =>
      call<{ changes?: MessageChange[] }>(
        'GET',
        `/v1/messages/${encodeURIComponent(id)}/history?pageSize=200`,
      ).then((answer) => answer.changes ?? []),
    listUnconfirmed: (pageToken = ''): Promise<UnconfirmedList> =>
      call<Partial<UnconfirmedList>>(
        'GET',
        `/v1/unconfirmedMessages${query({ pageSize: 50, pageToken })}`,
      ).then((answer) => ({
        messages: answer.messages ?? [],
        nextPageToken: answer.nextPageToken ?? '',
        totalCount: answer.totalCount ?? 0,
      })),
    simulateInbound: (request: SimulateInboundMessageRequest) =>
      call<Message>('POST', '/v1/messages:simulateInbound', request),
  }
}

export type Client = ReturnType<typeof createClient>

function parse(text: string): unknown {
  if (!text) return {}
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function query(parameters: Record<string, string | number>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== '')
  return `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`
}
