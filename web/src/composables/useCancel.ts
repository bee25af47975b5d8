// Cancels one message that waits for its time.
import { ref } from 'vue'
import { problemOf } from '@/domain/problems'
import { useServices, type Services } from './useServices'

// What became of it comes with the live stream.
export function useCancel(messageId: () => string, { api }: Pick<Services, 'api'> = useServices()) {
  const busy = ref(false)
  const problem = ref('')
  async function cancel(): Promise<void> {
    if (busy.value) return
    busy.value = true
    problem.value = ''
    try {
      await api.cancelMessage(messageId())
    } catch (error) {
      problem.value = problemOf(error).text
    } finally {
      busy.value = false
    }
  }
  return { busy, problem, cancel }
}
