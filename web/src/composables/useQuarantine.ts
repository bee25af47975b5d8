// Webhooks whose signature did not verify, and letting go of those that do now.
import { ref, shallowRef } from 'vue'
import type { QuarantinedWebhook } from '@/api/types'
import { problemOf } from '@/domain/problems'
import type { LoadState } from './state'
import { useServices, type Services } from './useServices'

export function useQuarantine({ api }: Pick<Services, 'api'> = useServices()) {
  const webhooks = shallowRef<QuarantinedWebhook[]>([])
  const state = ref<LoadState>('idle')
  const hasMore = ref(false)
  const busy = ref(false)
  const problem = ref('')
  // What the last release came to.
  const released = ref<{ released: number; kept: number }>()

  async function load(): Promise<void> {
    state.value = 'loading'
    problem.value = ''
    try {
      const page = await api.listQuarantined()
      webhooks.value = page.items
      hasMore.value = page.nextPageToken !== ''
      state.value = 'done'
    } catch (error) {
      problem.value = problemOf(error).text
      state.value = 'error'
    }
  }

  // Without ids: all of them, page by page.
  async function release(ids: string[] = []): Promise<void> {
    if (busy.value) return
    busy.value = true
    problem.value = ''
    const sum = { released: 0, kept: 0 }
    try {
      let pageToken = ''
      do {
        const answer = await api.releaseQuarantined(ids, pageToken)
        sum.released += answer.releasedCount
        sum.kept += answer.keptCount
        pageToken = answer.nextPageToken
      } while (pageToken)
      released.value = sum
      await load()
    } catch (error) {
      problem.value = problemOf(error).text
    } finally {
      busy.value = false
    }
  }

  return { webhooks, state, hasMore, busy, problem, released, load, release }
}
