// What was written and is not yet known to be stored. It outlives the view of a conversation, so
// that going elsewhere loses nothing. An entry keeps its id: sent again, it is stored once.
import { reactive } from 'vue'
import type { Client } from '@/api/client'
import type { Conversation, Message } from '@/api/types'
import { newId } from '@/domain/ids'
import type { TimelineMessage } from '@/domain/message'
import { problemOf } from '@/domain/problems'

export type Voice = 'agent' | 'customer'

interface Entry {
  voice: Voice
  conversation: Conversation
  message: TimelineMessage
}

export type Outbox = ReturnType<typeof createOutbox>

export function createOutbox(api: Client, now: () => number = Date.now) {
  const entries = reactive(new Map<string, Entry>())
  const stored = new Set<(message: Message) => void>()

  // `sendTime` is for the business alone.
  function write(
    conversation: Conversation,
    voice: Voice,
    body: string,
    sendTime?: string,
  ): Promise<void> {
    const message = localMessage(conversation, voice, body, now())
    if (sendTime) message.sendTime = sendTime
    entries.set(message.id, { voice, conversation, message })
    return deliver(message.id)
  }

  async function deliver(id: string): Promise<void> {
    const entry = entries.get(id)
    if (!entry) return
    entry.message = withLocal(entry.message, { state: 'sending', problem: '', retryable: false })
    try {
      const message = await request(entry)
      entries.delete(id)
      for (const listener of stored) listener(message)
    } catch (error) {
      const { text, retryable } = problemOf(error)
      // The live stream may have brought it meanwhile.
      const held = entries.get(id)
      if (held) {
        held.message = withLocal(held.message, { state: 'failed', problem: text, retryable })
      }
    }
  }

  function request({ voice, conversation, message }: Entry): Promise<Message> {
    if (voice === 'agent') {
      return api.sendMessage({
        messageId: message.id,
        conversationId: conversation.id,
        body: message.body,
        ...(message.sendTime ? { sendTime: message.sendTime } : {}),
      })
    }
    return api.simulateInbound({
      messageId: message.id,
      channelId: conversation.channelId,
      from: conversation.customerNumber,
      medium: conversation.medium,
      body: message.body,
    })
  }

  return {
    of: (conversationId: string): TimelineMessage[] =>
      [...entries.values()]
        .filter((entry) => entry.conversation.id === conversationId)
        .map((entry) => entry.message),
    write,
    retry: deliver,
    discard: (id: string) => {
      entries.delete(id)
    },
    // The server is known to have it.
    settle: (id: string) => {
      entries.delete(id)
    },
    clear: () => entries.clear(),
    // Calls back with each message that the server answered; returns what ends it.
    onStored: (listener: (message: Message) => void) => {
      stored.add(listener)
      return () => {
        stored.delete(listener)
      }
    },
  }
}

function withLocal(
  message: TimelineMessage,
  change: Partial<NonNullable<TimelineMessage['local']>>,
): TimelineMessage {
  const local = message.local ?? { state: 'sending', problem: '', retryable: false, writtenMs: 0 }
  return { ...message, local: { ...local, ...change } }
}

function localMessage(
  conversation: Conversation,
  voice: Voice,
  body: string,
  writtenMs: number,
): TimelineMessage {
  const agent = voice === 'agent'
  return {
    id: newId(),
    conversationId: conversation.id,
    channelId: conversation.channelId,
    seq: '0',
    direction: agent ? 'DIRECTION_OUTBOUND' : 'DIRECTION_INBOUND',
    author: agent ? 'AUTHOR_AGENT' : 'AUTHOR_CUSTOMER',
    kind: 'KIND_TEXT',
    medium: conversation.medium,
    body,
    media: [],
    status: 'STATUS_UNSPECIFIED',
    errorCode: 0,
    errorMessage: '',
    simulated: !agent || !conversation.customerNumber,
    from: '',
    to: '',
    messageSid: '',
    callSid: '',
    createTime: new Date(writtenMs).toISOString(),
    late: false,
    segments: 0,
    local: { state: 'sending', problem: '', retryable: false, writtenMs },
  }
}
