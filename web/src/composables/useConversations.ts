// The conversations of the inbox: pages, kept fresh by the live stream.
import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import type { Conversation, Message } from '@/api/types'
import { mergeConversations, unreadConversations, withLastMessage } from '@/domain/merge'
import { problemOf } from '@/domain/problems'
import type { LoadState } from './state'
import { useServices, type Services } from './useServices'

const PAGE_SIZE = 50
const PAGE_SIZE_MAX = 200

export function useConversations({ api, live }: Services = useServices()) {
  const conversations = shallowRef<Conversation[]>([])
  const state = ref<LoadState>('idle')
  const moreState = ref<LoadState>('idle')
  const problem = ref('')
  const nextPageToken = ref('')
  // What came live while the list was on its way is newer than the list.
  let arrived: Conversation[] = []
  let generation = 0

  // Reads the list again, as far as it was shown.
  async function load(): Promise<void> {
    const mine = ++generation
    const pageSize = Math.min(PAGE_SIZE_MAX, Math.max(PAGE_SIZE, conversations.value.length))
    if (state.value !== 'done') state.value = 'loading'
    arrived = []
    try {
      const page = await api.listConversations('', pageSize)
      if (mine !== generation) return
      conversations.value = mergeConversations(page.items, arrived)
      nextPageToken.value = page.nextPageToken
      moreState.value = 'idle'
      state.value = 'done'
    } catch (error) {
      if (mine !== generation) return
      problem.value = problemOf(error).text
      // What is shown stays; the live stream asks again when it is back.
      if (state.value !== 'done') state.value = 'error'
    }
  }

  async function loadMore(): Promise<void> {
    if (state.value !== 'done' || moreState.value === 'loading' || !nextPageToken.value) return
    const mine = generation
    moreState.value = 'loading'
    try {
      const page = await api.listConversations(nextPageToken.value, PAGE_SIZE)
      if (mine !== generation) return
      // What is known already is newer than the page.
      const known = new Set(conversations.value.map((conversation) => conversation.id))
      const older = page.items.filter((conversation) => !known.has(conversation.id))
      conversations.value = mergeConversations(conversations.value, older)
      nextPageToken.value = page.nextPageToken
      moreState.value = 'done'
    } catch (error) {
      if (mine !== generation) return
      problem.value = problemOf(error).text
      moreState.value = 'error'
    }
  }

  function put(conversation: Conversation): void {
    arrived.push(conversation)
    conversations.value = mergeConversations(conversations.value, [conversation])
  }

  function preview(message: Message): void {
    conversations.value = withLastMessage(conversations.value, message)
  }

  onScopeDispose(live.listen({ conversation: put, message: preview, resync: () => void load() }))

  return {
    conversations,
    state,
    moreState,
    problem,
    hasMore: computed(() => nextPageToken.value !== ''),
    unread: computed(() => unreadConversations(conversations.value)),
    load,
    loadMore,
  }
}
