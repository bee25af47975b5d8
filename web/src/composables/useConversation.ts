// One conversation's own state, and what can be done with it.
import { onScopeDispose, ref, shallowRef, toValue, watch, type MaybeRefOrGetter } from 'vue'
import type { Conversation } from '@/api/types'
import { isNotFound, problemOf } from '@/domain/problems'
import type { LoadState } from './state'
import { useServices, type Services } from './useServices'

export function useConversation(
  conversationId: MaybeRefOrGetter<string>,
  { api, live }: Services = useServices(),
) {
  const conversation = shallowRef<Conversation>()
  const state = ref<LoadState>('idle')
  const notFound = ref(false)
  const problem = ref('')
  // Whether an action is on its way.
  const busy = ref(false)
  let reading = false

  async function load(): Promise<void> {
    const id = toValue(conversationId)
    if (conversation.value?.id !== id) {
      conversation.value = undefined
      state.value = 'loading'
    }
    problem.value = ''
    notFound.value = false
    try {
      const found = await api.getConversation(id)
      if (id !== toValue(conversationId)) return
      conversation.value = found
      state.value = 'done'
    } catch (error) {
      if (id !== toValue(conversationId)) return
      problem.value = problemOf(error).text
      notFound.value = isNotFound(error)
      if (state.value !== 'done') state.value = 'error'
    }
  }

  async function act(action: (id: string) => Promise<Conversation>): Promise<void> {
    const id = toValue(conversationId)
    if (busy.value) return
    busy.value = true
    problem.value = ''
    try {
      accept(await action(id))
    } catch (error) {
      if (id === toValue(conversationId)) problem.value = problemOf(error).text
    } finally {
      busy.value = false
    }
  }

  // Quiet: who reads must not be told that marking it failed. The next message tries again.
  async function markRead(seq: string): Promise<void> {
    if (reading || Number(conversation.value?.unreadCount ?? 0) === 0) return
    reading = true
    try {
      accept(await api.readConversation(toValue(conversationId), seq))
    } catch {
      // See above.
    } finally {
      reading = false
    }
  }

  function accept(incoming: Conversation): void {
    if (incoming.id !== toValue(conversationId)) return
    conversation.value = incoming
    if (state.value !== 'done') state.value = 'done'
  }

  watch(
    () => toValue(conversationId),
    () => void load(),
    { immediate: true },
  )
  onScopeDispose(live.listen({ conversation: accept, resync: () => void load() }))

  return {
    conversation,
    state,
    notFound,
    problem,
    busy,
    load,
    markRead,
    takeOver: () => act(api.takeOver),
    handBack: () => act(api.handBack),
    setAiEnabled: (enabled: boolean) => act((id) => api.setAiEnabled(id, enabled)),
  }
}
