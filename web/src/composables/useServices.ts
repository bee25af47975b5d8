// What lives as long as the page: made once in main.ts, or by a test around fakes.
import { inject, type InjectionKey } from 'vue'
import { createClient, type Client, type Fetch } from '@/api/client'
import { createChannels, type Channels } from './channels'
import { createDrafts, type Drafts } from './drafts'
import { createLive, type Live, type LiveOptions } from './live'
import { createOutbox, type Outbox } from './outbox'
import { createSession, type SessionStore } from './session'

export interface Services {
  api: Client
  session: SessionStore
  live: Live
  channels: Channels
  outbox: Outbox
  drafts: Drafts
}

export const servicesKey: InjectionKey<Services> = Symbol('services')

export interface ServicesOptions extends LiveOptions {
  fetch?: Fetch
}

export function createServices({ fetch, ...liveOptions }: ServicesOptions = {}): Services {
  const api = createClient({ ...(fetch && { fetch }), onLoggedOut: () => session.expire() })
  const session = createSession(api)
  const live = createLive({
    // A refused stream says nothing of why; the session's own answer does.
    mayReconnect: () => session.check(),
    ...liveOptions,
  })
  return {
    api,
    session,
    live,
    channels: createChannels(api),
    outbox: createOutbox(api),
    drafts: createDrafts(),
  }
}

export function useServices(): Services {
  const services = inject(servicesKey)
  if (!services) throw new Error('createServices() was not provided to the app')
  return services
}
