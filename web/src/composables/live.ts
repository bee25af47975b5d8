// The live stream: one EventSource for the page, and who listens to it.
//
// The browser reconnects by itself, and resumes by Last-Event-ID, while the server can be reached.
// It gives up for good when it gets an error page (a gateway that restarts behind its proxy); then
// a new EventSource is made, which resumes by ?after. A stream that has nothing to resume from may
// have missed something: listeners must read their lists again.
import { readonly, ref } from 'vue'
import type { Conversation, Message } from '@/api/types'
import { parseLiveEvent, reconnectDelayMs } from '@/domain/live'

export const LIVE_PATH = '/v1/live'

export type LiveState = 'idle' | 'connecting' | 'open' | 'waiting'

export interface LiveListener {
  message?: (message: Message) => void
  conversation?: (conversation: Conversation) => void
  // Something may have been missed: read the lists again.
  resync?: () => void
}

// What is used of EventSource.
export interface Source {
  readonly readyState: number
  onopen: (() => void) | null
  onerror: (() => void) | null
  addEventListener(name: string, listener: (event: { data: string }) => void): void
  close(): void
}

export interface LiveOptions {
  openSource?: (path: string) => Source
  // Asked before a new stream is opened; false ends it.
  mayReconnect?: () => Promise<boolean>
  wait?: (ms: number, then: () => void) => () => void
  random?: () => number
}

const CLOSED = 2

export type Live = ReturnType<typeof createLive>

export function createLive({
  openSource = (path) => new EventSource(path) as Source,
  mayReconnect = () => Promise.resolve(true),
  wait = (ms, then) => {
    const timer = setTimeout(then, ms)
    return () => clearTimeout(timer)
  },
  random = Math.random,
}: LiveOptions = {}) {
  const state = ref<LiveState>('idle')
  const listeners = new Set<LiveListener>()
  let source: Source | undefined
  let cancelWait: (() => void) | undefined
  let attempt = 0
  // Number of the last event; empty before the first.
  let last = ''

  function connect(): void {
    cancelWait?.()
    cancelWait = undefined
    source?.close()
    state.value = 'connecting'
    const current = openSource(last ? `${LIVE_PATH}?after=${last}` : LIVE_PATH)
    source = current
    current.onopen = () => {
      if (current !== source) return
      attempt = 0
      state.value = 'open'
      if (!last) for (const listener of listeners) listener.resync?.()
    }
    current.onerror = () => {
      if (current !== source) return
      if (current.readyState === CLOSED) void reconnect()
      else state.value = 'connecting'
    }
    for (const name of ['message', 'conversation', 'reset']) {
      current.addEventListener(name, (event) => {
        if (current === source) receive(event.data)
      })
    }
  }

  async function reconnect(): Promise<void> {
    state.value = 'waiting'
    const failed = source
    const may = await mayReconnect()
    if (source !== failed || state.value !== 'waiting') return
    if (!may) return stop()
    cancelWait = wait(reconnectDelayMs(attempt++, random()), connect)
  }

  function receive(data: string): void {
    const event = parseLiveEvent(data)
    if (!event) return
    last = event.number
    for (const listener of listeners) {
      if (event.message) listener.message?.(event.message)
      if (event.conversation) listener.conversation?.(event.conversation)
      if (event.reset) listener.resync?.()
    }
  }

  function stop(): void {
    cancelWait?.()
    cancelWait = undefined
    source?.close()
    source = undefined
    last = ''
    state.value = 'idle'
  }

  return {
    state: readonly(state),
    start: () => {
      if (state.value === 'idle') connect()
    },
    stop,
    // For when the network comes back or the page is looked at again: waits no longer.
    hurry: () => {
      if (state.value === 'waiting' && cancelWait) connect()
    },
    // Returns what ends it.
    listen: (listener: LiveListener) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
  }
}
