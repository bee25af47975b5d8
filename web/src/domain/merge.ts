// Lists that pages, live events and our own answers flow into, in any order and more than once.
import type { Conversation, Message } from '@/api/types'
import { newerMessage, type TimelineMessage } from './message'

// Messages, oldest first; each id once; what is still local stands last.
export function mergeMessages(
  held: readonly TimelineMessage[],
  incoming: readonly TimelineMessage[],
): TimelineMessage[] {
  const byId = new Map(held.map((message) => [message.id, message]))
  for (const message of incoming) {
    const before = byId.get(message.id)
    byId.set(message.id, before ? newerMessage(before, message) : message)
  }
  return [...byId.values()].sort(bySequence)
}

function bySequence(a: TimelineMessage, b: TimelineMessage): number {
  if (a.local && b.local) return a.local.writtenMs - b.local.writtenMs
  if (a.local || b.local) return a.local ? 1 : -1
  return Number(a.seq) - Number(b.seq)
}

// Conversations, the last written in first; each id once. `incoming` is newer than `held`.
export function mergeConversations(
  held: readonly Conversation[],
  incoming: readonly Conversation[],
): Conversation[] {
  const byId = new Map(held.map((conversation) => [conversation.id, conversation]))
  for (const conversation of incoming) byId.set(conversation.id, conversation)
  return [...byId.values()].sort(byUpdate)
}

function byUpdate(a: Conversation, b: Conversation): number {
  const difference = timeOf(b) - timeOf(a)
  if (difference !== 0) return difference
  return a.id < b.id ? 1 : -1
}

function timeOf(conversation: Conversation): number {
  return conversation.updateTime ? Date.parse(conversation.updateTime) : 0
}

// A message may tell of a list's preview before its conversation's own event does.
export function withLastMessage(
  conversations: readonly Conversation[],
  message: Message,
): Conversation[] {
  return conversations.map((conversation) => {
    if (conversation.id !== message.conversationId) return conversation
    const last = conversation.lastMessage
    if (last && Number(last.seq) > Number(message.seq)) return conversation
    if (last?.id === message.id && newerMessage(last, message) === last) return conversation
    return { ...conversation, lastMessage: message }
  })
}

export function unreadConversations(conversations: readonly Conversation[]): number {
  return conversations.filter((conversation) => Number(conversation.unreadCount) > 0).length
}
