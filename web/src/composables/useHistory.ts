// What happened to one message, read when somebody asks.
import { ref, shallowRef } from 'vue'
import type { MessageChange } from '@/api/types'
import { problemOf } from '@/domain/problems'
import type { LoadState } from './state'
import { useServices, type Services } from './useServices'

export function useHistory(
  messageId: () => string,
  { api }: Pick<Services, 'api'> = useServices(),
) {
  const changes = shallowRef<MessageChange[]>([])
  const state = ref<LoadState>('idle')
  const problem = ref('')
  async function load(): Promise<void> {
    state.value = 'loading'
    try {
      changes.value = await api.messageHistory(messageId())
      state.value = 'done'
    } catch (error) {
      problem.value = problemOf(error).text
      state.value = 'error'
    }
  }
  return { changes, state, problem, load }
}
