// The messages of one conversation, oldest first: pages from the newest backwards, the live stream,
// and what is still in the outbox.
import {
  computed,
  onScopeDispose,
  ref,
  shallowRef,
  toValue,
  watch,
  type MaybeRefOrGetter,
} from 'vue'
import type { Message } from '@/api/types'
import { mergeMessages } from '@/domain/merge'
import { problemOf } from '@/domain/problems'
import type { LoadState } from './state'
import { useServices, type Services } from './useServices'

const PAGE_SIZE = 50
const PAGE_SIZE_MAX = 200

export function useMessages(
  conversationId: MaybeRefOrGetter<string>,
  { api, live, outbox }: Services = useServices(),
) {
  const stored = shallowRef<Message[]>([])
  const state = ref<LoadState>('idle')
  const olderState = ref<LoadState>('idle')
  const problem = ref('')
  const nextPageToken = ref('')
  // What came live while a page was on its way is newer than the page.
  let arrived: Message[] = []
  let generation = 0

  // Reads the newest again, as far back as was shown.
  async function load(): Promise<void> {
    const mine = ++generation
    const pageSize = Math.min(PAGE_SIZE_MAX, Math.max(PAGE_SIZE, stored.value.length))
    if (state.value !== 'done') state.value = 'loading'
    arrived = []
    try {
      const page = await api.listMessages(toValue(conversationId), '', pageSize)
      if (mine !== generation) return
      stored.value = mergeMessages(mergeMessages([], page.items), arrived)
      nextPageToken.value = page.nextPageToken
      olderState.value = 'idle'
      state.value = 'done'
    } catch (error) {
      if (mine !== generation) return
      problem.value = problemOf(error).text
      if (state.value !== 'done') state.value = 'error'
    }
  }

  async function loadOlder(): Promise<void> {
    if (state.value !== 'done' || olderState.value === 'loading' || !nextPageToken.value) return
    const mine = generation
    olderState.value = 'loading'
    try {
      const page = await api.listMessages(toValue(conversationId), nextPageToken.value, PAGE_SIZE)
      if (mine !== generation) return
      // What is held came later, so that it wins where both have a message.
      stored.value = mergeMessages(page.items, stored.value)
      nextPageToken.value = page.nextPageToken
      olderState.value = 'done'
    } catch (error) {
      if (mine !== generation) return
      problem.value = problemOf(error).text
      olderState.value = 'error'
    }
  }

  function put(message: Message): void {
    outbox.settle(message.id)
    if (message.conversationId !== toValue(conversationId)) return
    arrived.push(message)
    stored.value = mergeMessages(stored.value, [message])
  }

  watch(
    () => toValue(conversationId),
    () => {
      stored.value = []
      nextPageToken.value = ''
      state.value = 'idle'
      void load()
    },
    { immediate: true },
  )
  onScopeDispose(live.listen({ message: put, resync: () => void load() }))
  onScopeDispose(outbox.onStored(put))

  return {
    messages: computed(() => mergeMessages(stored.value, outbox.of(toValue(conversationId)))),
    state,
    olderState,
    problem,
    hasOlder: computed(() => nextPageToken.value !== ''),
    load,
    loadOlder,
  }
}
