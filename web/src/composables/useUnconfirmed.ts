// Messages that wait for a decision, of all conversations, kept up to date by the live stream.
import { onScopeDispose, ref, shallowRef } from 'vue'
import type { Message, Resolution } from '@/api/types'
import { problemOf } from '@/domain/problems'
import { useServices, type Services } from './useServices'

export function useUnconfirmed({ api, live }: Services = useServices()) {
  const messages = shallowRef<Message[]>([])
  const total = ref(0)
  const problem = ref('')

  async function load(): Promise<void> {
    try {
      const list = await api.listUnconfirmed()
      messages.value = list.messages
      total.value = list.totalCount
      problem.value = ''
    } catch (error) {
      problem.value = problemOf(error).text
    }
  }

  // One more or one less, without asking again.
  function take(message: Message): void {
    const held = messages.value.filter(({ id }) => id !== message.id)
    const was = held.length < messages.value.length
    const is = message.status === 'STATUS_UNCONFIRMED'
    if (!was && !is) return
    messages.value = is ? [message, ...held] : held
    total.value = Math.max(messages.value.length, total.value + Number(is) - Number(was))
  }
  onScopeDispose(live.listen({ message: take, resync: () => void load() }))

  return { messages, total, problem, load }
}

// Decides about one message; the live stream shows what came of it.
export function useResolve(
  messageId: () => string,
  { api }: Pick<Services, 'api'> = useServices(),
) {
  const busy = ref(false)
  const problem = ref('')
  async function resolve(resolution: Resolution): Promise<Message | undefined> {
    if (busy.value) return undefined
    busy.value = true
    problem.value = ''
    try {
      return await api.resolveMessage(messageId(), resolution)
    } catch (error) {
      problem.value = problemOf(error).text
      return undefined
    } finally {
      busy.value = false
    }
  }
  return { busy, problem, resolve }
}
